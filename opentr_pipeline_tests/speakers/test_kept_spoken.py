"""What is kept of who speaks when, until it is published."""

import os
import time
from pathlib import Path

from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.transcripts.turns import Spoken, Turn, Voice


def test_voices_that_nobody_took_up_for_a_month_are_swept(tmp_path: Path) -> None:
    kept = KeptSpoken(tmp_path / ".store")
    turns, voices = (Turn(0, 0.0, 1.0),), (Voice(0, 1.0, (0.6, 0.8)),)
    for media in ("old", "new"):
        kept.save(Spoken(media, "model", turns, voices))
    (old,) = tmp_path.rglob("old.json")
    for days, left in ((29, {"old", "new"}), (31, {"new"})):
        os.utime(old, times=(time.time() - days * 86_400,) * 2)
        kept.sweep()
        assert {media for media, _ in kept.listed("json")} == left
