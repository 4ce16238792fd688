r"""A transcript as the bytes of a file: SRT, WebVTT, plain text, JSON, TSV, CSV, DOCX, PDF; pure.

A format is a name, which is the ending of its files, and a function to bytes: what is no text, such
as a document with pages, is one as well.

The writers are ours because pysubs2 1.8 takes text for markup: it drops ``{...}``, breaks lines at
``\N``, leaves ``<`` and ``&`` as they are in WebVTT, and ends at 100 hours. Tests read the files
with pysubs2 and with FFmpeg.
"""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from opentr_pipeline.exports.cues import Cue, cues_of
from opentr_pipeline.exports.documents import docx, pdf
from opentr_pipeline.exports.titles import shown_title
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.shown_names import changes_of, names_of, told_names
from opentr_pipeline.transcripts.transcript import Segment, Transcript

# SRT knows no escape. An invisible WORD JOINER keeps players from taking text for a tag or a time.
_SRT_MARKUP = re.compile(r"<(?=/?[^\W\d_])|\{(?=\\)|--(?=>)|\d:\d+:\d+(?=[.,]\d)")
_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# What makes a spreadsheet compute a cell, or send it somewhere; also in full width, which some take
# for the same. Source: OWASP, CSV Injection.
_FORMULA_SIGNS = tuple("=+-@\t\r\n＝＋－＠")
_COLUMNS = ("start_s", "end_s", "channel", "language", "avg_logprob", "flags", "speaker", "text")


@dataclass(frozen=True)
class Document:
    """What is to be written of a recording.

    Attributes:
        path: of the media file in the archive.
        layout: lengths and times of a cue.
        guards_formulas: marks text as text, where a spreadsheet would take it for a formula.
        given_title: by the media file; empty: its name is what there is.
    """

    path: str
    transcript: Transcript
    layout: SubtitleSettings
    guards_formulas: bool = True
    given_title: str = ""

    @property
    def title(self) -> str:
        """What the recording is called."""
        return self.given_title or shown_title(self.path, ())

    @cached_property
    def cues(self) -> list[Cue]:
        """Without names in them, for formats that have a place for these."""
        return cues_of(self.transcript, self.layout)

    @property
    def cues_with_names(self) -> list[Cue]:
        """With a name before the words where somebody else begins to speak."""
        return cues_of(self.transcript, self.layout, self.names) if self.names else self.cues

    @cached_property
    def names(self) -> dict[str, str]:
        """Of the speakers that are worth telling, by label."""
        return told_names(self.transcript)


def _srt(document: Document) -> str:
    blocks = []
    for number, cue in enumerate(document.cues_with_names, 1):
        text = _SRT_MARKUP.sub("\\g<0>\u2060", "\n".join(cue.lines))
        blocks.append(f"{number}\n{_times(cue, ',')}\n{text}\n")
    return "\n".join(blocks)


def _vtt(document: Document) -> str:
    blocks = ["WEBVTT\n"]
    for cue in document.cues:
        text = "\n".join(cue.lines).translate(_VTT_ESCAPES)
        name = document.names.get(cue.speaker, "").translate(_VTT_ESCAPES)
        voice = f"<v {name}>" if name else ""
        blocks.append(f"{_times(cue, '.')}\n{voice}{text}\n")
    return "\n".join(blocks)


def _times(cue: Cue, point: str) -> str:
    return " --> ".join(_time(at_ms, point) for at_ms in (cue.start_ms, cue.end_ms))


def _time(at_ms: int, point: str) -> str:
    seconds, ms = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{point}{ms:03d}"


def _txt(document: Document) -> str:
    """A line for each segment, the name first where another speaks; none where nobody does."""
    if document.transcript.status == "no_speech":
        return ""
    segments, names = document.transcript.segments, document.names
    are_changes = changes_of(segment.speaker for segment in segments)
    return "".join(
        f"{names[segment.speaker]}: {_on_one_line(segment)}\n"
        if is_change and segment.speaker in names
        else f"{_on_one_line(segment)}\n"
        for segment, is_change in zip(segments, are_changes, strict=True)
    )


def _on_one_line(segment: Segment) -> str:
    return " ".join(segment.text.split())


def _json(document: Document) -> str:
    """All that is known of what is said."""
    transcript = document.transcript
    facts = {"path": document.path, **dataclasses.asdict(transcript)}
    del facts["peaks"]  # of the sound, whatever is said in it
    facts["flags"] = transcript.flags
    for voice in facts["voices"]:
        del voice["embedding"]  # tells who somebody is; the tables alone keep it
    names = names_of(transcript)
    for segment, fields in zip(transcript.segments, facts["segments"], strict=True):
        fields["flags"] = segment.flags
        fields["speaker_name"] = names.get(segment.speaker, "")
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"


def _tsv(document: Document) -> str:
    """A row for each segment, without quotes: no field holds a tab or ends a line."""
    rows = ("\t".join(map(str, row)) for row in _rows(document.transcript))
    return "".join(f"{row}\n" for row in rows)


def _csv(document: Document) -> str:
    """A row for each segment."""
    text = io.StringIO()
    rows = _rows(document.transcript)
    if document.guards_formulas:
        rows = ([_as_text(cell) for cell in row] for row in rows)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _as_text(cell: object) -> object:
    """A cell that no spreadsheet computes: an apostrophe says that what follows is text."""
    is_formula = isinstance(cell, str) and cell.startswith(_FORMULA_SIGNS)
    return f"'{cell}" if is_formula else cell


def _rows(transcript: Transcript) -> Iterable[list[object]]:
    names = names_of(transcript)
    yield list(_COLUMNS)
    for segment in transcript.segments:
        yield [
            round(segment.start_s, 3),
            round(segment.end_s, 3),
            "" if segment.channel is None else segment.channel,
            segment.language or transcript.language,
            round(segment.avg_logprob, 3),
            " ".join(segment.flags),
            names.get(segment.speaker, ""),
            _on_one_line(segment),
        ]


def _encoded(write: Callable[[Document], str]) -> Callable[[Document], bytes]:
    """A format that is text, in UTF-8."""
    return lambda document: write(document).encode()


# By the ending of the file.
FORMATS: dict[str, Callable[[Document], bytes]] = {
    "srt": _encoded(_srt),
    "vtt": _encoded(_vtt),
    "txt": _encoded(_txt),
    "json": _encoded(_json),
    "tsv": _encoded(_tsv),
    "csv": _encoded(_csv),
    "docx": lambda document: docx(document.title, document.transcript),
    "pdf": lambda document: pdf(document.title, document.transcript),
}
