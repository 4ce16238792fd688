"""The step that tells speakers apart with its real networks, killed and taken up again."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.speakers import diarization, models
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.runs import make_archive
from opentr_pipeline_tests.steps.test_hearing import Case, StandIn

SAMPLES = PROJECT_ROOT / "samples" / "archive" / "interviews"
STEP = """
import sys
from pathlib import Path
from opentr_pipeline.planning.plan import plans_of
from opentr_pipeline.planning.speaker_plan import load_speaker_plan
from opentr_pipeline.speakers import diarization
from opentr_pipeline.steps.hearing import HearingRun
from opentr_pipeline.transcripts.store import TranscriptStore

archive, output, models = map(Path, sys.argv[1:])
hears, store = diarization.load(models, 1), TranscriptStore(output)
plan = load_speaker_plan(plans_of(store), "a-run")
HearingRun(archive, store, plan, lambda: hears).run(plan.shards[0])
"""


class Talks(Case):
    """Two real conversations, one of them at two paths, and a recording that makes no sense."""

    TEXT = " ".join(["so"] * 50)

    def make(self) -> None:
        for number, name in enumerate(("round_table.mp3", "two_neighbours.m4a", "round_table.mp3")):
            path = self.archive / f"p{number}" / name
            path.parent.mkdir(parents=True)
            path.write_bytes((SAMPLES / name).read_bytes())
        (self.archive / "p0/bad.wav").write_bytes(b"no sound at all")


@pytest.mark.slow
def test_a_killed_step_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_settings({}, None).workspace.models
    if not models.is_fetched(found):
        pytest.skip("the networks that tell speakers apart are not fetched")
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path / "home"))
    case = Talks(tmp_path)
    before, kept = case.published(), KeptSpoken(case.setup().store.inner)
    case.plan()
    places = (case.archive, tmp_path / "output", found)
    command = [sys.executable, "-c", STEP, *map(str, places)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT) as step:
        while not _num_told(kept) and step.poll() is None:
            time.sleep(0.02)
        step.send_signal(signal.SIGKILL)
    num_told = _num_told(kept)
    assert num_told
    run = case.run(diarization.load(found, 1))
    assert (run.outcome.num_heard, case.left) == (2 - num_told, {})
    said = case.published()
    assert said["p0/round_table.mp3"].turns == said["p2/round_table.mp3"].turns
    numbers = {path: one.num_speakers for path, one in said.items()}
    assert (numbers.pop("p0/bad.wav"), set(numbers.values())) == (0, {2, 3})
    assert said["p0/bad.wav"].speakers_reason
    with duckdb.connect() as connection:
        rows = connection.sql(
            f"SELECT path, list(DISTINCT speaker ORDER BY speaker) FROM "
            f"'{tmp_path}/output/words/*.parquet' JOIN '{tmp_path}/output/transcripts/*.parquet' "
            "USING (recording_id) WHERE speaker <> '' GROUP BY path"
        ).fetchall()
    assert dict(rows)["p2/round_table.mp3"] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_02"]
    case.run(StandIn(), SPEAKERS="false")
    assert case.published() == before


def _num_told(kept: KeptSpoken) -> int:
    """Recordings whose speakers are kept; of what makes no sense there is a reason alone."""
    found = (kept.final(content) for content in kept.listed("json"))
    return sum(bool(one and one.turns) for one in found)


@pytest.mark.slow
def test_a_run_tells_speakers_apart_shows_them_and_takes_them_back(
    project: Callable[..., Project], tmp_path: Path
) -> None:
    if not models.is_fetched(load_settings({}, None).workspace.models):
        pytest.skip("the networks that tell speakers apart are not fetched")
    name = "interviews/round_table.mp3"
    one = project(make_archive(tmp_path / "archive", {name: name}))
    one.opentr("run")
    before = _tables(one, "transcripts", "segments", "words")
    said = one.opentr("run", SPEAKERS="true")
    assert "Speakers are to be told apart in 1 recording, 0.017 h of audio.\n" in said
    assert "Speakers are told apart in 1 recording.\n" in said
    assert "to transcribe" not in said
    three = {"SPEAKER_00", "SPEAKER_01", "SPEAKER_02"}
    for table in ("words", "segments", "turns", "speakers"):
        assert {row["speaker"] for row in one.rows(table)} == three
    (row,) = one.rows("transcripts")
    assert (row["num_speakers"], row["text"]) == (3, before["transcripts"][0]["text"])
    assert row["transcribed_at"] == before["transcripts"][0]["transcribed_at"]
    one.opentr("export", "--format", "srt,vtt", SPEAKERS="true")
    one.opentr("pages", SPEAKERS="true")
    made = one.store.root
    for path in (made / f"exports/{name}.vtt", made / f"exports/{name}.srt"):
        assert all(speaker in path.read_text() for speaker in three)
    (page,) = (made / "pages").rglob("round_table*.html")
    assert all(speaker in page.read_text() for speaker in three)
    assert "Nothing to do: 1 done." in one.opentr("run", SPEAKERS="true")
    back = one.opentr("run")
    assert "Speakers are to be taken back in 1 recording.\n" in back
    assert _tables(one, "transcripts", "segments", "words") == before
    assert one.rows("turns") == one.rows("speakers") == []


def _tables(one: Project, *tables: str) -> dict[str, list[dict[str, object]]]:
    return {table: one.rows(table) for table in tables}
