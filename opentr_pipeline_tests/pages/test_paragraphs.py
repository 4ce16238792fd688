"""Transcripts as a page shows them: every word once, what is doubtful, where there is speech."""

import dataclasses
import re

from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.pages.paragraphs import NUM_BINS, paragraphs_of, strip_of
from opentr_pipeline.transcripts.transcript import Segment, Transcript, Word
from opentr_pipeline_tests.making import PROPERTY, transcript

texts = st.lists(st.text(min_size=1, max_size=9), min_size=1, max_size=8)


def segment(start_s: float, *words: tuple[str, float], **facts: object) -> Segment:
    """A segment whose words last a second each and have these probabilities."""
    spoken = tuple(
        Word(text, start_s + place, start_s + place + 1.0, probability)
        for place, (text, probability) in enumerate(words)
    )
    text = "".join(word.text for word in spoken).strip()
    whole = Segment(start_s, start_s + len(words), text, -0.2, 0.1, 1.5, spoken, language="en")
    return dataclasses.replace(whole, **facts)  # type: ignore[arg-type]


def of(*segments: Segment, duration_s: float = 100.0) -> Transcript:
    return transcript(segments=segments, duration_s=duration_s)


def bars(path: str) -> dict[int, tuple[float, float]]:
    """The ends of each bar of a strip."""
    found = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)", path)
    return {int(float(place)): (float(top), float(bottom)) for place, top, bottom in found}


@PROPERTY
@given(st.lists(texts, max_size=6))
def test_every_word_is_shown_once_and_in_order(all_texts: list[list[str]]) -> None:
    segments = [
        segment(10.0 * place, *((f" {text}", 0.9) for text in some))
        for place, some in enumerate(all_texts)
    ]
    shown = [
        word.space + word.text
        for paragraph in paragraphs_of(of(*segments))
        for word in paragraph.words
    ]
    said = [word.text for one in segments if one.text.strip() for word in one.words]
    assert shown == said


def test_words_have_their_starts_and_say_where_they_are_doubtful() -> None:
    (one,) = paragraphs_of(of(segment(61.237, (" clear", 0.5), (" doubtful", 0.49))))
    assert one.starts == "6124 6224"
    assert [(word.space, word.text, word.doubt) for word in one.words] == [
        (" ", "clear", ""),
        (" ", "doubtful", "49%"),
    ]
    assert one.num_doubts == 1


def test_a_flagged_segment_is_one_doubt() -> None:
    doubtful = segment(0.0, (" a", 0.1), (" b", 0.1), avg_logprob=-1.5)
    (one,) = paragraphs_of(of(doubtful))
    assert one.flags == ("low_confidence",)
    assert one.num_doubts == 1


def test_a_text_that_its_words_do_not_say_is_shown_whole() -> None:
    odd = segment(3.0, (" a", 0.9), text="something else")
    (one,) = paragraphs_of(of(odd))
    assert [word.text for word in one.words] == ["something else"]
    assert one.starts == "300"


def test_channels_are_read_in_the_order_of_time() -> None:
    left = [segment(at, (" left", 0.9), channel=0) for at in (0.0, 20.0)]
    right = segment(10.0, (" right", 0.9), channel=1)
    shown = paragraphs_of(of(*left, right))
    assert [one.channel for one in shown] == [0, 1, 0]


def test_releases_without_the_language_of_a_segment_show_that_of_the_recording() -> None:
    (one,) = paragraphs_of(of(segment(0.0, (" a", 0.9), language="")))
    assert one.language == "en"


def test_the_strip_has_bars_where_words_are() -> None:
    strip = strip_of(of(segment(20.0, (" a", 0.9)), duration_s=100.0))
    assert bars(strip.speech) == dict.fromkeys(range(100, 105), (0.0, 24.0))
    assert strip.doubts == ""


def test_the_strip_shows_how_much_of_a_bin_is_speech() -> None:
    strip = strip_of(of(segment(0.0, (" a", 0.9)), duration_s=2.0 * NUM_BINS))
    assert bars(strip.speech) == {0: (6.0, 18.0)}


def test_bars_are_as_high_as_the_sound_is_loud_and_tell_where_there_is_speech() -> None:
    said = of(segment(20.0, (" a", 0.9), (" b", 0.3)), duration_s=100.0)
    strip = strip_of(dataclasses.replace(said, peaks=(0, 100, 50, 0)))
    speech, doubts, other = map(bars, (strip.speech, strip.doubts, strip.other))
    assert (set(speech), set(doubts)) == ({*range(100, 110)}, {*range(105, 110)})
    assert speech.keys() | other.keys() == set(range(NUM_BINS))
    assert not speech.keys() & other.keys()
    heights = {place: bottom - top for place, (top, bottom) in (other | speech).items()}
    assert {heights[place] for place in range(125)} == {1.0}  # silence is a line
    assert {heights[place] for place in range(125, 250)} == {24.0}
    assert {heights[place] for place in range(250, 375)} == {12.0}
    quiet = strip_of(dataclasses.replace(said, peaks=(0, 1)))
    assert max(bottom - top for top, bottom in bars(quiet.other).values()) < 2.0


def test_doubts_are_doubtful_words_and_flagged_segments() -> None:
    clear = segment(0.0, (" a", 0.9), (" b", 0.3))
    flagged = segment(50.0, (" c", 0.9), compression_ratio=3.0)
    doubts = bars(strip_of(of(clear, flagged)).doubts)
    assert set(doubts) == {*range(5, 10), *range(250, 255)}


def test_a_word_past_the_end_and_a_recording_of_no_length_have_a_strip() -> None:
    assert set(bars(strip_of(of(segment(99.5, (" a", 0.9)))).speech)) == {497, 498, 499}
    assert set(bars(strip_of(of(segment(0.0, (" a", 0.9)), duration_s=0.0)).speech)) >= {0}
