"""Sums over recordings, as the report adds them up and JSON keeps them; pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Recordings of the table ``recordings`` that have no transcript.
MISSING = "missing"
NOBODY = ""  # whose voices nobody has named
TOP = "."  # the folder of recordings at the archive's root
NUM_CONFIDENCE_BINS = 20
MAX_DOUBTFUL = 20
# The sums that are tallies of recordings, each by something else.
TALLIES = ("by_folder", "by_language", "by_status", "by_model", "by_person")


@dataclass
class Tally:
    """Some recordings.

    Attributes:
        audio_s: as long as they are; where nothing was decoded, as their headers claim.
        heard_s: what could be decoded and was transcribed.
        speech_s: of that.
    """

    num_recordings: int = 0
    audio_s: float = 0.0
    heard_s: float = 0.0
    speech_s: float = 0.0

    def add(self, other: "Tally") -> None:
        """Count other recordings as well."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass(frozen=True)
class DoubtfulRecording:
    """A recording of whose words some are in doubt.

    Attributes:
        doubtful_s: of flagged segments, and of words below ``DOUBTFUL_PROBABILITY`` outside.
        first_doubtful_s: where the first of these begins.
        doubt: what recordings are ranked by: the share of speech in doubt, ``PRIOR_SPEECH_S``
            of undoubted speech added.
    """

    path: str
    recording_id: str
    partition_key: str
    duration_s: float
    doubtful_s: float
    first_doubtful_s: float
    doubt: float
    mean_confidence: float | None
    flags: list[str]


@dataclass
class Sums:
    """Sums over recordings, of one partition or more.

    Attributes:
        by_folder: the first level of the path; ``TOP`` for none.
        by_language: recordings in which somebody speaks, by their main language.
        by_person: recordings in which they speak, and for how long, by the id of a person or
            ``NOBODY``; no names.
        by_confidence_s: seconds of words by the model's probability of them, in
            ``NUM_CONFIDENCE_BINS`` equal bins from 0 to 1.
        weighted_s: the same seconds, each times its probability.
        doubtful: the worst, at most ``MAX_DOUBTFUL``.
        places: of each recording its id, when it was transcribed and when its media file was
            modified (seconds since 1970; 0: not, unknown), and the partition.
        files: media fingerprint, size in bytes and path of each media file.
        outcomes: media fingerprint, end (seconds since 1970), seconds of audio and of work of each
            transcript, be its recording in the archive or not.
        troubled: ``TROUBLE_COLUMNS`` of transcripts that are not as they should be.
    """

    by_folder: dict[str, Tally] = field(default_factory=dict)
    by_language: dict[str, Tally] = field(default_factory=dict)
    by_status: dict[str, Tally] = field(default_factory=dict)
    by_model: dict[str, Tally] = field(default_factory=dict)
    by_person: dict[str, Tally] = field(default_factory=dict)
    by_confidence_s: list[float] = field(default_factory=lambda: [0.0] * NUM_CONFIDENCE_BINS)
    weighted_s: float = 0.0
    doubtful: list[DoubtfulRecording] = field(default_factory=list)
    places: list[tuple[str, float, float, str]] = field(default_factory=list)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    outcomes: list[tuple[str, float, float, float]] = field(default_factory=list)
    troubled: list[dict[str, Any]] = field(default_factory=list)

    @property
    def mean_confidence(self) -> float | None:
        """The model's probability of its words; None without any."""
        words_s = sum(self.by_confidence_s)
        return self.weighted_s / words_s if words_s else None

    def add(self, other: "Sums") -> None:
        """Count what another partition holds."""
        for name in TALLIES:
            for kind, tally in getattr(other, name).items():
                getattr(self, name).setdefault(kind, Tally()).add(tally)
        pairs = zip(self.by_confidence_s, other.by_confidence_s, strict=True)
        self.by_confidence_s = [mine + theirs for mine, theirs in pairs]
        self.weighted_s += other.weighted_s
        self.doubtful = worst([*self.doubtful, *other.doubtful])
        for name in ("places", "files", "outcomes", "troubled"):
            getattr(self, name).extend(getattr(other, name))


def sums_from_dict(facts: Mapping[str, Any]) -> Sums:
    """The inverse of ``dataclasses.asdict``, also after JSON."""
    tallies = {
        name: {kind: Tally(**tally) for kind, tally in facts[name].items()} for name in TALLIES
    }
    doubtful = [DoubtfulRecording(**one) for one in facts["doubtful"]]
    rows = {name: list(map(tuple, facts[name])) for name in ("places", "files", "outcomes")}
    return Sums(**{**facts, **tallies, **rows, "doubtful": doubtful})


def folder_of(path: str) -> str:
    """The folder of the archive's root that a path lies in; ``TOP`` for none."""
    folder, slash, _ = path.partition("/")
    return folder if slash else TOP


def left_partitions(places: Iterable[tuple[str, float, float, str]]) -> dict[str, set[str]]:
    """The recordings that are newer elsewhere, by the partition that they have left.

    A touched file may change its partition, another ``PARTITION_BY`` changes that of all; the rows
    of before stay, since nothing is lost. What was transcribed last counts, then what was modified
    last.
    """
    newest: dict[str, tuple[float, float, str]] = {}
    left: dict[str, set[str]] = defaultdict(set)
    for recording_id, transcribed_at, modified_at, partition_key in places:
        place = (transcribed_at, modified_at, partition_key)
        known = newest.setdefault(recording_id, place)
        if known is not place:
            older, newest[recording_id] = sorted([known, place])
            left[older[-1]].add(recording_id)
    return left


def worst(doubtful: list[DoubtfulRecording]) -> list[DoubtfulRecording]:
    """Those that come first, at most ``MAX_DOUBTFUL``."""
    ranked = sorted(doubtful, key=lambda one: (-one.doubt, one.path, one.partition_key))
    return ranked[:MAX_DOUBTFUL]
