"""What people are shown of speakers: what is to do, how far it is, what it gave."""

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from opentr_pipeline.archive.recordings import Recording
from opentr_pipeline.commands import command
from opentr_pipeline.planning import backlog
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_options import archive_speakers
from opentr_pipeline.planning.speaker_work import (
    SpeakersToDo,
    SpeakerWork,
    speaker_work,
    speakers_matter,
)
from opentr_pipeline.quality.countdown import Countdown
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.transcripts.transcript import Content
from opentr_pipeline.wording import duration_text, hours, number_text

Place = tuple[str, str]


class SpeakerProgress:
    """Speakers in the recordings of one command, before, while and after it works."""

    def __init__(self, setup: Setup, recordings: Sequence[Recording], taking: Taking) -> None:
        """Look how they stand; where nobody ever asked who speaks that costs next to nothing.

        Args:
            setup: of the archive.
            recordings: all of it.
            taking: what the command takes on.
        """
        self._setup, self._recordings, self._taking = setup, recordings, taking
        self._kept = KeptSpoken(setup.store.inner, setup.store.database)
        self._lock = threading.Lock()
        self._waiting: dict[Content, list[float]] = {}
        self._num_told, self._told_s = 0, 0.0
        self._before = {_place(one): one for one in self._works()}
        self.look_what_is_left()

    def _works(self) -> list[SpeakerWork]:
        return speaker_work(self._setup, self._recordings)

    def look_what_is_left(self) -> None:
        """Look again, since something was transcribed, and start to count."""
        self._left = [one for one in self._works() if one.is_selected(self._taking.selection)]
        self._heard = [one for one in self._left if one.state != "unwanted"]
        self._total_s = sum(one.audio_s for one in self._heard)
        self._expect((one.content, one.audio_s) for one in self._heard)
        self._num_told, self._told_s = 0, 0.0
        self._countdown = Countdown()
        self._countdown.left_s(time.monotonic(), 0.0, self._total_s)

    def expect(self, recordings: Iterable[Recording]) -> None:
        """Count those as well that are transcribed first; in some of them nobody may speak."""
        if speakers_matter(self._setup):
            speakers = archive_speakers(self._setup.settings)
            contents = [(speakers.content(one), one.probe.duration_s or 0.0) for one in recordings]
            self._expect((content, audio_s) for content, audio_s in contents if content[1])

    def _expect(self, contents: Iterable[tuple[Content, float]]) -> None:
        with self._lock:
            self._waiting.clear()
            for content, audio_s in contents:
                self._waiting.setdefault(content, []).append(audio_s)

    @property
    def audio_s(self) -> dict[str, float]:
        """Seconds of audio to be heard, for each partition in which something is left to do."""
        return backlog.audio_by_partition(self._left)

    def to_do(self) -> str:
        """``Speakers are to be told apart in 3 recordings, 0.8 h of audio.``; empty for nothing."""
        num_back = len(self._left) - len(self._heard)
        to_do = str(SpeakersToDo(len(self._heard), self._total_s, num_back))
        return f"Speakers are {to_do}." if to_do else ""

    def look_at_kept(self) -> None:
        """Count whose outcome is kept; when it is published, it is so no more."""
        with self._lock:
            for content in self._waiting.keys() & self._kept.listed("json"):
                group = self._waiting.pop(content)
                self._num_told += len(group)
                self._told_s += sum(group)

    def look_at_published(self) -> None:
        """Count what a run has published."""
        done = {one.content for one in self._works() if one.state in ("done", "failed")}
        with self._lock:
            for content in self._waiting.keys() & done:
                group = self._waiting.pop(content)
                self._num_told += len(group)
                self._told_s += sum(group)

    def beside(self) -> str:
        """What follows the sentence about words, while the same runs tell speakers apart."""
        self.look_at_kept()
        num = number_text(self._num_told, "recording")
        return f", speakers told apart in {num}" if self._num_told else ""

    def sentence(self) -> str:
        """``Speakers: 3 of 12 recordings, 0.1 of 0.4 h of audio, 35.0x, 1:00 to go``."""
        if not self._heard:
            return f"Taking back who speaks in {number_text(len(self._left), 'recording')}"
        self.look_at_kept()
        text = f"Speakers: {self._num_told} of {number_text(len(self._heard), 'recording')}, "
        text += f"{hours(self._told_s)} of {hours(self._total_s)} h of audio"
        now_s = time.monotonic()
        left_s = self._countdown.left_s(now_s, self._told_s, self._total_s)
        if left_s is None:
            return text
        left = f"{duration_text(left_s)} to go" if left_s >= 1.0 else "nearly done"
        return f"{text}, {self._countdown.speed_x(now_s):.1f}x, {left}"

    def kept(self) -> str:
        """What there is of a command that was ended while it told speakers apart."""
        self.look_at_kept()
        said = f"Ended: in {self._num_told} of {number_text(len(self._heard), 'recording')}"
        return (
            f"{said} speakers are told apart, which is kept; the same command goes on from there."
        )

    def summary(self) -> str:
        """What has changed since the command began; empty for nothing."""
        now = {_place(one): one for one in self._works()}
        counts: Counter[str] = Counter()
        for place in now.keys() | self._before.keys():
            before, after = (
                one.state if (one := works.get(place)) else "" for works in (self._before, now)
            )
            counts[after or "gone"] += before != after
        parts = []
        if counts["done"]:
            parts.append(f"told apart in {number_text(counts['done'], 'recording')}")
        if counts["gone"]:
            parts.append(f"taken back in {number_text(counts['gone'], 'recording')}")
        said = f"Speakers are {' and '.join(parts)}" if parts else ""
        if counts["failed"]:
            num = number_text(counts["failed"], "recording")
            failed = f"in {num} they could not be told apart ({command('errors')} says why)"
            said = f"{said}; {failed}" if said else f"Speakers: {failed}"
        return f"{said}." if said else ""


def _place(one: SpeakerWork) -> Place:
    return one.recording.partition_key, one.recording.recording_id
