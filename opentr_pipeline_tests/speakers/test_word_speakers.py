from opentr_pipeline.speakers.word_speakers import speakers_of
from opentr_pipeline.transcripts.transcript import Word
from opentr_pipeline.transcripts.turns import Turn


def words(*spans: tuple[float, float], last: str = "") -> list[Word]:
    texts = [" word"] * (len(spans) - 1) + [" word" + last]
    return [Word(text, start, end, 1.0) for text, (start, end) in zip(texts, spans, strict=True)]


def who(said: list[Word], *turns: Turn) -> list[int]:
    return [one.speaker for one in speakers_of(said, turns)]


def test_each_word_is_its_turns() -> None:
    said = words((0, 1), (1, 2), (3, 4), (4, 5))
    found = speakers_of(said, [Turn(0, 0, 2.2), Turn(1, 3, 4.5)])
    assert [one.speaker for one in found] == [0, 0, 1, 1]
    assert [one.share for one in found] == [1, 1, 1, 0.5]


def test_one_word_at_the_edge_does_not_change_the_speaker_and_back() -> None:
    said = words((0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2))
    assert who(said, Turn(0, 0, 2), Turn(1, 0.55, 1)) == [0, 0, 0, 0]


def test_a_word_beyond_all_turns_is_its_neighbours() -> None:
    said = words((0, 1), (1, 2), (2, 2.3), (5, 6))
    assert who(said, Turn(0, 0, 1.9), Turn(1, 5, 6)) == [0, 0, 0, 1]


def test_a_change_comes_at_the_end_of_a_sentence() -> None:
    said = [*words((0, 1), (1, 2), last="."), *words((2, 3), (3, 4))]
    assert who(said, Turn(3, 0, 2.6), Turn(7, 2.4, 4)) == [3, 3, 7, 7]


def test_without_turns_nobody_is_named() -> None:
    assert speakers_of(words((0, 1)), []) == []
    assert speakers_of([], [Turn(0, 0, 1)]) == []
