"""The voices of an archive as they are published, and where to hear them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from opentr_pipeline.speakers.people import Span, VoiceKey
from opentr_pipeline.transcripts.store import TranscriptStore

# Long enough to know somebody by, and heard from its beginning.
MAX_EXAMPLE_S = 10.0


@dataclass(frozen=True)
class HeardVoice:
    """Somebody who speaks in a recording.

    Attributes:
        path: of the recording in the archive.
        in_archive: false where its media file is gone.
        speaker: the label.
        person_id: of who it is; empty where nobody has said.
    """

    path: str
    recording_id: str
    partition_key: str
    media_fingerprint: str
    in_archive: bool
    speaker: str
    speech_s: float
    embedding: tuple[float, ...]
    embedding_model: str
    person_id: str

    @property
    def key(self) -> VoiceKey:
        """The same in every recording of the same bytes."""
        return self.media_fingerprint, self.speaker


class Example(NamedTuple):
    """Where a voice is heard alone."""

    path: str
    start_s: float
    end_s: float


def heard_voices(store: TranscriptStore) -> list[HeardVoice]:
    """All voices of an archive, those of most speech first."""
    found = [voice for key in store.partition_keys("speakers") for voice in _of(store, key)]
    return sorted(found, key=lambda one: (-one.speech_s, one.path, one.speaker))


def each_once(voices: Iterable[HeardVoice]) -> list[HeardVoice]:
    """Voices of media that are there; of the same bytes at several paths, the first alone."""
    once: dict[VoiceKey, HeardVoice] = {}
    for voice in voices:
        if voice.in_archive:
            once.setdefault(voice.key, voice)
    return list(once.values())


def _of(store: TranscriptStore, key: str) -> Iterator[HeardVoice]:
    heard = {row["recording_id"]: row for row in _rows(store, "transcripts", key)}
    media = {row["recording_id"]: row for row in _rows(store, "recordings", key)}
    for row in _rows(store, "speakers", key):
        said, file = heard.get(row["recording_id"]), media.get(row["recording_id"], {})
        if said is None:  # published anew between two looks
            continue
        yield HeardVoice(
            said["path"],
            row["recording_id"],
            key,
            said["media_fingerprint"],
            file.get("in_archive") is not False,
            row["speaker"],
            row["speech_s"] or 0.0,
            tuple(row["embedding"] or ()),
            row["embedding_model"] or "",
            row["person_id"] or "",
        )


_COLUMNS = {
    "transcripts": ["recording_id", "path", "media_fingerprint"],
    "recordings": ["recording_id", "in_archive"],
    "speakers": [
        *("recording_id", "speaker", "speech_s", "embedding", "embedding_model", "person_id"),
    ],
}


def _rows(store: TranscriptStore, table: str, key: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        store.read_partition(table, key).select(_COLUMNS[table]).to_pylist()
    )
    return rows


class HeardTurns:
    """Who speaks when, read once for each partition that is asked about."""

    def __init__(self, store: TranscriptStore) -> None:
        """Nothing is read yet."""
        self._store = store
        self._read: dict[str, dict[str, dict[str, list[Span]]]] = {}

    def of(self, voice: HeardVoice) -> dict[str, list[Span]]:
        """The turns of each speaker of a voice's recording."""
        if voice.partition_key not in self._read:
            found: dict[str, dict[str, list[Span]]] = defaultdict(dict)
            for row in self._store.read_partition("turns", voice.partition_key).to_pylist():
                turns = found[row["recording_id"]].setdefault(row["speaker"], [])
                turns.append((row["start_s"], row["end_s"]))
            self._read[voice.partition_key] = found
        return self._read[voice.partition_key].get(voice.recording_id, {})

    def examples(self, voices: Sequence[HeardVoice], count: int) -> list[Example]:
        """Where to hear some voices of one person clearly: of different recordings, if there are.

        Args:
            voices: those of most speech first.
            count: at most.
        """
        by_voice = [
            [Example(voice.path, *span) for span in clear_spans(self.of(voice), voice.speaker)]
            for voice in voices[:count]
        ]
        turn_by_turn = (
            one[place]
            for place in range(count)
            for one in by_voice
            if place < len(one)
        )  # fmt: skip
        return [example for _, example in zip(range(count), turn_by_turn, strict=False)]


def clear_spans(turns: dict[str, list[Span]], speaker: str) -> list[Span]:
    """The stretches in which one speaker is heard alone, the longest first; none lasts long."""
    others = sorted(
        span for label, spans in turns.items() if label != speaker for span in spans
    )  # fmt: skip
    alone = [part for span in turns.get(speaker, ()) for part in _without(span, others)]
    ranked = sorted(alone, key=lambda span: (-min(span[1] - span[0], MAX_EXAMPLE_S), span[0]))
    return [(start_s, min(end_s, start_s + MAX_EXAMPLE_S)) for start_s, end_s in ranked]


def _without(span: Span, others: Sequence[Span]) -> Iterator[Span]:
    """What is left of a stretch where others do not speak."""
    reached_s, end_s = span
    for start_s, until_s in others:
        if until_s <= reached_s or start_s >= end_s:
            continue
        if start_s > reached_s:
            yield reached_s, start_s
        reached_s = max(reached_s, until_s)
    if reached_s < end_s:
        yield reached_s, end_s
