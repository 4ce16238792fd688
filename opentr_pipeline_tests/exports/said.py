"""What is said in the tests of what is written of it: in many scripts, and at random."""

import re

from hypothesis import strategies as st

from opentr_pipeline.exports.formats import FORMATS, Document
from opentr_pipeline.settings.cues import SubtitleSettings
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.making import transcript

USUAL = SubtitleSettings()
SPOKEN = {
    "en": 'I was born beside the sea, and Dr. Smith said: "Don\'t!" It was 3.5 metres tall. Why?',
    "zh": "我出生在海边的一座白色小房子里，我的父亲看守灯塔三十年。“永远不要让它熄灭！”他说。",
    "ja": "昨日、東京のとても大きなレストランで、ゆっくりと晩ご飯を食べました。ラーメンかな？",
    "ko": "저는 바닷가의 작은 하얀 집에서 태어났고 아버지는 삼십 년 동안 등대를 지켰습니다.",
    "th": "ฉันเกิดในบ้านสีขาวหลังเล็กริมทะเล และพ่อของฉันดูแลประภาคารมาสามสิบปี",
    "ar": "ولدت في بيت أبيض صغير على شاطئ البحر، وكان والدي يحرس المنارة. هل تسمعني؟",
    "he": "נולדתי בבית לבן קטן ליד הים, ואבי שמר על המגדלור שלושים שנה.",
    "fr": "« Bonjour ! » dit-il ; puis il monta l'escalier : voilà tout.",
}
TRICKY = [
    "-->",
    "<b>",
    "</i>",
    "{\\an8}",
    "{x}",
    "\\N",
    "&amp;",
    "a&b",
    "42",
    "\n",
    "",
    " ",
    '"',
    "'",
]
TRICKY += ["00:00:01,000 --> 00:00:02,000", "NOTE", "WEBVTT", "one\ntwo", "\t", "=1+1", "a,b;c"]


def spoken(text: str, word_s: float = 0.3, *, each_letter: bool = False) -> Transcript:
    """One segment whose words follow each other without a pause."""
    names = list(text) if each_letter else re.findall(r"\s*\S+", text)
    words = tuple(
        Word(name, number * word_s, (number + 1) * word_s, 0.5) for number, name in enumerate(names)
    )
    return transcript(segments=(Segment(0.0, len(names) * word_s, text, 0, 0, 1, words),))


def written(ending: str, made: Transcript, layout: SubtitleSettings) -> str:
    return FORMATS[ending](Document("film/a.wav", made, layout)).decode()


times = st.one_of(st.none(), st.just(float("nan")), st.floats(0, 4000))
letters = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
texts = st.one_of(
    st.sampled_from(TRICKY),
    st.sampled_from([part for text in SPOKEN.values() for part in text.split()]),
    letters,
)
words = st.builds(
    lambda space, text, start_s, end_s: Word(space + text, start_s, end_s, 0.5),
    st.sampled_from(["", " "]),
    texts,
    times,
    times,
)


@st.composite
def segments(draw: st.DrawFn, channels: tuple[int | None, ...] = (None,)) -> Segment:
    """Of any time; its text is that of its words, or they are lacking or say something else."""
    said = tuple(draw(st.lists(words, max_size=12)))
    text = "".join(word.text for word in said).strip()
    if draw(st.integers(0, 4)) == 0:
        text = draw(st.lists(texts, max_size=6).map(" ".join))
        said = draw(st.sampled_from([(), said]))
    start_s, end_s = sorted((draw(st.floats(0, 4000)), draw(st.floats(0, 4000))))
    channel = draw(st.sampled_from(channels))
    return Segment(start_s, end_s, text, 0.0, 0.0, 1.0, said, channel)


def transcripts(*channels: int | None) -> st.SearchStrategy[Transcript]:
    several = st.lists(segments(channels), max_size=5)
    return several.map(lambda found: transcript(segments=tuple(found)))


def said(*sentences: tuple[str, float, float], channel: int | None = None) -> tuple[Segment, ...]:
    return tuple(
        Segment(start, end, text, 0, 0, 1, (Word(text, start, end, 1),), channel)
        for text, start, end in sentences
    )
