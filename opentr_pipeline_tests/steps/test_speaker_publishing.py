"""What is kept of voices is gone when nobody wants it any more."""

from pathlib import Path

from opentr_pipeline.planning.speaker_plan import SpeakerPlan
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.steps.speaker_publishing import publish_all_speakers
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.turns import Spoken


def test_taking_speakers_back_drops_what_a_killed_run_has_kept(tmp_path: Path) -> None:
    store = TranscriptStore(tmp_path)
    kept = KeptSpoken(store.inner)
    for media in ("taken-back", "wanted-elsewhere", "of-another-run"):
        kept.save(Spoken(media, "models"))
    wanted = {"a": ("taken-back", ""), "b": ("wanted-elsewhere", "")}
    also = {"c": ("wanted-elsewhere", "models")}
    publish_all_speakers(SpeakerPlan({"radio": wanted, "film": also}, ()), store)
    assert {media for media, _ in kept.listed("json")} == {"wanted-elsewhere", "of-another-run"}
