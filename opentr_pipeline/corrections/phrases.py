"""Phrases of a published transcript, corrected one by one by several people at once.

Who corrects a phrase says what they saw there. Where somebody else has changed it meanwhile,
nothing is done, and both texts are there to be looked at: nobody's work is lost, and nobody waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from opentr_pipeline.corrections.importing import PublishedRecording, recordings
from opentr_pipeline.corrections.keeping import keep
from opentr_pipeline.corrections.listing import undo
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.phrase_edits import Wanted, make_edits
from opentr_pipeline.errors import StoreError
from opentr_pipeline.speakers.confirming import Speakers
from opentr_pipeline.transcripts.edits import Correction
from opentr_pipeline.transcripts.elsewhere import Following
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.shown_names import names_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import label

MAX_WHO = 200  # letters


@dataclass(frozen=True)
class Phrase:
    """A segment, as somebody who corrects it sees it.

    Attributes:
        words: with the space in front, and when each begins, in seconds.
        speaker: as it is shown; empty where nobody is.
        voice: the label of the voice that says it; empty where no voice does.
        is_corrected: somebody has corrected words of it.
    """

    start_s: float
    end_s: float
    channel: int | None
    words: tuple[tuple[str, float], ...]
    speaker: str
    voice: str
    is_corrected: bool


class Known:
    """Recordings that pages are open of: who looks every few seconds has no archive read."""

    def __init__(self, store: TranscriptStore) -> None:
        """Nothing is known yet.

        Args:
            store: of the archive.
        """
        self._store = store
        self._found: dict[str, tuple[str, PublishedRecording]] = {}
        self._following, self._followed = Following(store.elsewhere, ()), set[str]()

    def phrases(self, path: str) -> "Phrases":
        """Those of a recording; its partition alone is read where something has changed there.

        Raises:
            StoreError: it has no transcript, or is no longer in the archive.
        """
        before, recording = self._found.get(path, ("", None))
        if recording:
            self._follow(recording.partition_key)
        now = self._store.state(recording.partition_key) if recording else ""
        if recording is None or not now:
            recording = Phrases.of(self._store, path).recording
        elif now != before:
            here = recordings(self._store, recording.partition_key)
            found = [one for one in here if one.path == path]
            recording = found[-1] if found else Phrases.of(self._store, path).recording
        self._found[path] = now, recording
        return Phrases(self._store, recording)

    def _follow(self, key: str) -> None:
        """Have what other hosts have published here, asked for every few seconds at most."""
        if key not in self._followed:
            self._followed.add(key)
            self._following.expect([key])
        self._following.follow_again([key])


class Phrases:
    """The phrases of one recording that is published."""

    def __init__(self, store: TranscriptStore, recording: PublishedRecording) -> None:
        """Nothing is read yet.

        Args:
            store: of the archive.
            recording: of it, that is published.
        """
        self._store, self.recording = store, recording

    @classmethod
    def of(cls, store: TranscriptStore, path: str) -> "Phrases":
        """Find the recording.

        Args:
            store: of the archive.
            path: of the recording in the archive.

        Raises:
            StoreError: it has no transcript.
        """
        found = [one for one in recordings(store) if one.path == path]
        if not found:
            raise StoreError(f"{path} has no transcript; run it first.")
        return cls(store, found[-1])

    def version(self) -> str:
        """What changes when somebody corrects something, or a model hears it anew."""
        return self._store.state(self.recording.partition_key)

    def all(self) -> list[Phrase]:
        """What is published of the recording now, as its page shows it."""
        transcript = self._published()
        names = names_of(transcript)
        voices = {label(voice.speaker) for voice in transcript.voices}
        return [
            Phrase(
                one.start_s,
                one.end_s,
                one.channel,
                tuple((word.text, word.start_s) for word in one.words)
                if one.words_say_the_text
                else ((one.text, one.start_s),),
                names.get(one.speaker, ""),
                one.speaker if one.speaker in voices else "",
                any(word.model_text is not None for word in one.words),
            )
            for one in sorted(transcript.segments, key=lambda segment: segment.start_s)
            if one.text.strip()
        ]

    def corrections(self) -> list[Correction]:
        """What people have corrected in the recording, by time, and what became of it."""
        return sorted(self._published().corrections, key=lambda one: one.start_s)

    def undo(self, edit_ids: Sequence[str], who: str) -> list[str]:
        """Take corrections of the recording back; the partitions that changed.

        Raises:
            StoreError: one is of no correction here, or the disk is full.
        """
        _check_who(who)
        strange = set(edit_ids).difference(one.edit_id for one in self._published().corrections)
        if strange:
            raise StoreError(f"{self.recording.path} has no correction {min(strange)}.")
        return undo(self._store, edit_ids, who, "")

    def name_voice(self, voice: str, name: str) -> list[str]:
        """Give a voice of the recording a name, as ``opentr speakers name``; what changed.

        Args:
            voice: its label.
            name: empty to take it away again.

        Raises:
            SpeakerError: there is no such voice, or the name cannot be shown.
            StoreError: the disk is full.
        """
        known = Speakers(self._store)
        return known.name(known.voice(self.recording.path, voice), name)

    def correct(self, wanted: Wanted, who: str, why: str = "") -> list[str]:
        """Make a phrase what somebody says; the partitions that changed.

        Raises:
            ChangedMeanwhileError: it does not say any more what they saw.
            SpeakerError: nobody can be called as the speaker is.
            StoreError: the disk is full, or what they say makes no sense there.
        """
        _check_who(who)

        def make() -> EditMaker:
            maker = EditMaker(self._published(), who, why)
            make_edits(maker, wanted)
            return maker

        media, path = self.recording.media_fingerprint, self.recording.path
        self._store.elsewhere.follow_each([self.recording.partition_key])
        return keep(self._store, media, path, make)[1]

    def _published(self) -> Transcript:
        tables = self._store.read_together(self.recording.partition_key)
        return transcript_of(tables, self.recording.recording_id)


def _check_who(who: str) -> None:
    if len(who) > MAX_WHO:
        raise StoreError(f"Who corrects has {len(who)} letters; use {MAX_WHO} at most.")
