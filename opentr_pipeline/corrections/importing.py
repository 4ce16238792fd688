"""Files that somebody has edited by hand -> edits of the recordings that they are of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from opentr_pipeline.archive.beside import MAX_BYTES
from opentr_pipeline.corrections.comparing import Compared, compare
from opentr_pipeline.corrections.edited_files import (
    KINDS,
    NOUN,
    EditedFile,
    EditedLine,
    facts_of,
    lines_of,
)
from opentr_pipeline.corrections.keeping import keep
from opentr_pipeline.corrections.making import EditMaker
from opentr_pipeline.corrections.overlay import Overlay
from opentr_pipeline.errors import ReferenceTextError, StoreError
from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.derived_files import WrittenTree, file_name
from opentr_pipeline.transcripts.edits import Edit
from opentr_pipeline.transcripts.layout import EXPORTS
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline.transcripts.transcript import Transcript

# A document of our own makes of a text more bytes than it has.
MAX_FILE_BYTES = 10 * MAX_BYTES
# So many are rather missing from a file that was cut short than taken out one by one.
MANY_WORDS = 20
Lines = Sequence[EditedLine]
MEDIA_COLUMNS = ["recording_id", "in_archive"]
COLUMNS = ["recording_id", "partition_key", "path", "media_fingerprint"]


@dataclass(frozen=True)
class PublishedRecording:
    """A recording that has a transcript."""

    recording_id: str
    partition_key: str
    path: str
    media_fingerprint: str


@dataclass
class Imported:
    """What became of an edited file.

    Attributes:
        path: of its recording.
        kinds: how many edits were made, by kind.
        names: see ``Compared``; to be given to the voices.
        num_conflicts: of these edits.
        num_reverting: see ``Compared``.
        again: see ``Compared``.
        said_names: see ``Compared``.
        unplaced: see ``Compared``.
        num_less: words that were taken out and no others put in, where these are many.
        changed: the partitions in which something was published.
    """

    path: str
    kinds: Counter[str]
    names: dict[str, str]
    num_reverting: int
    again: list[str]
    said_names: list[str]
    unplaced: list[str]
    num_less: int = 0
    num_conflicts: int = 0
    changed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Importing:
    """Edited files of one archive.

    Attributes:
        who: has edited them.
        why: whatever they say about it.
        is_checked: they have heard all of it, and the rest is right.
    """

    store: TranscriptStore
    layout: SubtitleSettings
    who: str
    why: str = ""
    is_checked: bool = False

    def run(self, file: Path, recording: str = "") -> Imported:
        """Keep what was changed in a file as edits, and publish it.

        Args:
            file: as an export writes it, edited.
            recording: its path in the archive; else the file's name or contents tell it.

        Raises:
            StoreError: it is not known which recording the file is of, or it is of another.
        """
        kind = file.suffix.lower().lstrip(".")
        if kind not in KINDS:
            raise StoreError(f"{file} is none of {', '.join(KINDS)}; save it as one of these.")
        raw = _bytes_of(file)
        try:
            target = self._target(file, recording or _path_in(raw, kind))
            done = self._keep(target, file, _readings(raw, kind), kind)
        except ReferenceTextError as error:
            raise StoreError(f"{file}: {error}") from None
        if not done.unplaced:
            self._take_over(target, file, raw)
        return done

    def _keep(
        self, target: PublishedRecording, file: Path, readings: Sequence[Lines], kind: str
    ) -> Imported:
        tried: list[Compared] = []  # more than one where somebody else corrects it meanwhile

        def make() -> EditMaker:
            published = self._published(target)
            found = (self._compared(lines, kind, target, published) for lines in readings)
            compared = max(found, key=lambda one: one.share)
            tried.append(compared)
            if not compared.fits:
                raise StoreError(
                    f"{file} is not what {target.path} says: {compared.share:.0%} of the words "
                    "are the same; name its recording with --recording, or export it anew."
                )
            if self.is_checked and not compared.unplaced:
                after = compared.maker.correcting.transcript()
                compared.maker.checked(0.0, after.duration_s, after.text)
            return compared.maker

        maker, changed = keep(self.store, target.media_fingerprint, target.path, make)
        ids, compared = {edit.edit_id for edit in maker.edits}, tried[-1]
        kept = self._published(target).corrections if ids else ()
        num_less = sum(map(_num_less, maker.edits))
        return Imported(
            target.path,
            Counter(edit.kind for edit in maker.edits),
            compared.names,
            compared.num_reverting,
            compared.again,
            compared.said_names,
            compared.unplaced,
            num_less if num_less >= MANY_WORDS else 0,
            sum(one.state == "conflict" for one in kept if one.edit_id in ids),
            changed,
        )

    def _compared(
        self, edited: Lines, kind: str, target: PublishedRecording, published: Transcript
    ) -> Compared:
        maker = EditMaker(published, self.who, self.why)
        known = "txt" if kind == "docx" else kind  # whose paragraphs are the lines of that
        document = Document(target.path, published, self.layout, guards_formulas=False)
        exported = lines_of(FORMATS[known](document), known)
        plain = Overlay(self.store).without(published)
        return compare(maker, EditedFile(exported, edited, kind), self.layout, plain)

    def _take_over(self, target: PublishedRecording, file: Path, raw: bytes) -> None:
        """Let the next export write over a file that was edited where it stands."""
        exports = self.store.root / EXPORTS
        if file.absolute().is_relative_to(exports):
            name = str(file.absolute().relative_to(exports))
            WrittenTree(self.store, exports).take_over(target.partition_key, name, raw)

    def _published(self, target: PublishedRecording) -> Transcript:
        tables = self.store.read_together(target.partition_key)
        return transcript_of(tables, target.recording_id)

    def _target(self, file: Path, path: str) -> PublishedRecording:
        found = recordings(self.store)
        if path:
            named = [one for one in found if one.path == path]
        else:
            named = _named_as(file, found, self.store.root / EXPORTS)
        if not named:
            raise StoreError(
                f"No recording that is transcribed is called as {path or file} says; name it with "
                "--recording."
            )
        if len({one.path for one in named}) > 1:
            paths = ", ".join(sorted({one.path for one in named})[:3])
            raise StoreError(f"{file} may be of {paths}; name its recording with --recording.")
        return named[0]


def recordings(store: TranscriptStore, partition_key: str = "") -> list[PublishedRecording]:
    """Every recording in the archive that has a transcript; with a key, those of one partition."""
    media, rows = (
        store.read_partition(table, partition_key).select(columns).to_pylist()
        if partition_key
        else store.read(table, columns).to_pylist()
        for table, columns in (("recordings", MEDIA_COLUMNS), ("transcripts", COLUMNS))
    )
    gone = {row["recording_id"] for row in media if row["in_archive"] is False}
    return [PublishedRecording(**row) for row in rows if row["recording_id"] not in gone]


def _named_as(
    file: Path, found: Sequence[PublishedRecording], exports: Path
) -> list[PublishedRecording]:
    """The recordings that a file may be of, by the end of its path: the longest that is shared."""
    ending = file.suffix.lower().lstrip(".")
    whole = file.absolute()
    if whole.is_relative_to(exports):
        name = str(whole.relative_to(exports).with_suffix(f".{ending}"))
        return [one for one in found if file_name(one.path, ending) == name]
    parts = whole.with_suffix(f".{ending}").parts
    shared = {one: _num_shared(parts, Path(file_name(one.path, ending)).parts) for one in found}
    if not any(shared.values()):  # NAME.srt of NAME.mp3
        plain = (*whole.parts[:-1], whole.stem)
        shared = {one: _num_shared(plain, Path(one.path).with_suffix("").parts) for one in found}
    most = max(shared.values(), default=0)
    return [one for one, count in shared.items() if most and count == most]


def _num_shared(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = list(zip(reversed(one), reversed(other), strict=False))
    return next((at for at, pair in enumerate(pairs) if pair[0] != pair[1]), len(pairs))


def _readings(raw: bytes, kind: str) -> list[Lines]:
    """The lines of a file, and of subtitles the same by their times, where that is another order.

    Some programs leave cues in another order, and people mistype times: what has more of the words
    that are published is meant.
    """
    lines = lines_of(raw, kind)
    timed = lines_of(raw, kind, by_time=True) if kind in ("srt", "vtt") else lines
    return [lines] if timed == lines else [lines, timed]


def _num_less(edit: Edit) -> int:
    is_words = edit.kind == "words"
    return max(0, len(edit.old.split()) - len(edit.new.split())) if is_words else 0


def _path_in(raw: bytes, kind: str) -> str:
    return str(facts_of(raw)["path"]) if kind == "json" else ""


def _bytes_of(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}.") from None
    if len(raw) > MAX_FILE_BYTES:
        raise StoreError(f"{file}: the {NOUN} is larger than {MAX_FILE_BYTES} bytes.")
    return raw
