"""A transcript as a document to print and to edit: DOCX (python-docx's door), PDF (fpdf2's door).

Both come with the extra ``documents``. A PDF has its letters in it: those of DejaVu, which
Matplotlib ships, know Latin, Greek, Cyrillic, Hebrew and Arabic, and no Chinese, Japanese or Thai.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from opentr_pipeline.errors import DocumentError
from opentr_pipeline.transcripts.shown_names import changes_of, told_names
from opentr_pipeline.wording import duration_text

if TYPE_CHECKING:
    from opentr_pipeline.transcripts.transcript import Transcript

EXTRA = "documents"
_MODULES = {"docx": ("docx",), "pdf": ("fpdf", "uharfbuzz")}
FAMILY = "DejaVu Serif"
_FACES = {"": "DejaVuSerif.ttf", "B": "DejaVuSerif-Bold.ttf"}
# Those of DejaVu Sans are letters as well, and more: of Arabic and Hebrew too.
_OTHER, _OTHER_FACE = "DejaVu Sans", "DejaVuSans.ttf"


@dataclass(frozen=True)
class Line:
    """A segment as a document has it.

    Attributes:
        time: when it begins.
        name: of the speaker, where somebody else begins to speak; else empty.
    """

    time: str
    name: str
    text: str


def is_possible(ending: str) -> bool:
    """Whether what a format needs is installed."""
    return all(find_spec(module) for module in _MODULES.get(ending, ()))


def check_possible(ending: str) -> None:
    """Refuse a format whose libraries are not there.

    Raises:
        DocumentError: the extra is not installed.
    """
    if not is_possible(ending):
        raise DocumentError(
            f"The format {ending} needs the extra {EXTRA}; install it: "
            f"pip install 'opentr-pipeline[{EXTRA}]'."
        )


def lines_of(transcript: "Transcript") -> Iterator[Line]:
    """What is said, in the order of the segments; nothing where nobody speaks."""
    if transcript.status == "no_speech":
        return
    names = told_names(transcript)
    changes = changes_of(segment.speaker for segment in transcript.segments)
    for segment, is_change in zip(transcript.segments, changes, strict=True):
        name = names.get(segment.speaker, "") if is_change else ""
        yield Line(duration_text(segment.start_s), name, " ".join(segment.text.split()))


def about(transcript: "Transcript") -> str:
    """How long it is, and who wrote it."""
    model = Path(transcript.model).name
    machine = f"a machine (Whisper {model})" if model else "a machine"
    day = transcript.transcribed_at[:10]
    return (
        f"{duration_text(transcript.duration_s)}. Written by {machine} on {day}; "
        "hear before you quote."
    )


def docx(title: str, transcript: "Transcript") -> bytes:
    """A document for word processors: times and names are in styles, and can be searched.

    Raises:
        DocumentError: the extra is not installed.
    """
    check_possible("docx")
    import docx as library
    from docx.shared import Pt, RGBColor

    document = library.Document()
    document.core_properties.title = title
    document.core_properties.language = transcript.language
    document.add_heading(_printable(title), level=1)
    document.add_paragraph(about(transcript)).runs[0].italic = True
    for line in lines_of(transcript):
        paragraph = document.add_paragraph()
        time = paragraph.add_run(f"{line.time}  ")
        time.font.size, time.font.color.rgb = Pt(8), RGBColor(0x64, 0x5D, 0x52)
        if line.name:
            paragraph.add_run(f"{_printable(line.name)}: ").bold = True
        paragraph.add_run(_printable(line.text))
    made = io.BytesIO()
    document.save(made)
    return made.getvalue()


def pdf(title: str, transcript: "Transcript") -> bytes:
    """A document to print, with its letters in it.

    Raises:
        DocumentError: the extra is not installed, or the letters are not those of its fonts.
    """
    check_possible("pdf")
    lines = list(lines_of(transcript))
    text = "".join(part for line in lines for part in (line.name, line.text)) + title
    if strange := sorted({one for one in text if ord(one) not in _letters() and one > " "}):
        raise DocumentError(
            f"A PDF cannot hold {strange[0]!r} and {len(strange) - 1} other characters of this "
            "transcript: its fonts have none of that script; take docx."
        )
    from fpdf import FPDF

    made = FPDF(format="A4")
    made.set_title(title)
    for style, face in _FACES.items():
        made.add_font(FAMILY, style, _fonts() / face)
    made.add_font(_OTHER, "", _fonts() / _OTHER_FACE)
    made.set_fallback_fonts([_OTHER], exact_match=False)
    made.set_text_shaping(_is_joined(text))
    made.set_margin(22)
    made.set_auto_page_break(True, 22)
    made.add_page()
    made.set_font(FAMILY, "B", 18)
    made.multi_cell(0, 9, title, new_x="LMARGIN", new_y="NEXT")
    made.set_font(FAMILY, "", 9)
    made.multi_cell(0, 5, about(transcript), new_x="LMARGIN", new_y="NEXT")
    for line in lines:
        made.ln(2.5)
        made.set_font(FAMILY, "", 8)
        made.write(5.5, f"{line.time}  ")
        if line.name:
            made.set_font(FAMILY, "B", 10.5)
            made.write(5.5, f"{line.name}: ")
        made.set_font(FAMILY, "", 10.5)
        made.multi_cell(0, 5.5, line.text, new_x="LMARGIN", new_y="NEXT")
    return bytes(made.output())


def _printable(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(one for one in text if one >= " " or one in "\t\n")


@cache
def _letters() -> frozenset[int]:
    """The characters that the fonts have."""
    from fontTools.ttLib import TTFont

    faces = (_FACES[""], _OTHER_FACE)
    return frozenset(one for face in faces for one in TTFont(_fonts() / face).getBestCmap())


def _is_joined(text: str) -> bool:
    """Whether letters are from right to left or join, which takes three times as long to set."""
    import unicodedata

    return any(unicodedata.bidirectional(one) in ("R", "AL") for one in set(text))


def _fonts() -> Path:
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"
