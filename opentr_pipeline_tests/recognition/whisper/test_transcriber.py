"""What is made of windows: languages, second tries, words in their places; the model a fake."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.errors import DeviceError, OutOfMemoryError
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.recognizer import FULL_CONTEXT_S, Part
from opentr_pipeline.recognition.whisper.decoded import Decoded
from opentr_pipeline.recognition.whisper.languages import MIN_CUT_PROBABILITY, MIN_PROBABILITY
from opentr_pipeline.recognition.whisper.transcriber import (
    MIN_CUT_LOGPROB,
    TEMPERATURES,
    Transcriber,
)
from opentr_pipeline.transcripts.transcript import Segment, Word
from opentr_pipeline.transcripts.window_results import Heard, compose
from opentr_pipeline_tests.making import OPTIONS, PROPERTY, window

GOOD = Decoded((7, 8), "good words", -0.1, 0.05, 1.2, False)
UNSURE = dataclasses.replace(GOOD, text="unsure words", avg_logprob=MIN_CUT_LOGPROB - 0.1)
UNLIKELIER = dataclasses.replace(UNSURE, text="unlikelier words", avg_logprob=-0.9)
BAD = dataclasses.replace(GOOD, text="bad words", avg_logprob=-1.5)
WORSE = dataclasses.replace(GOOD, text="worse words", avg_logprob=-2.5)
LOOP = dataclasses.replace(GOOD, text="la la la la", compression_ratio=9.0)
ENDLESS = dataclasses.replace(GOOD, text="and on and on", is_endless=True)
TWICE = dataclasses.replace(GOOD, text="They were changed. They were changed.", avg_logprob=-0.01)
SILENCE = dataclasses.replace(GOOD, text="you", avg_logprob=-1.5, no_speech_probability=0.9)
NOTHING = Decoded((), "", -0.3, 0.05, 0.0, False)

# What the model says of a window, by its number, the seconds it hears and the temperature.
Says = Callable[[int, float, float], Decoded]


class Whisper:
    """Knows each window by its samples, and refuses batches that the real one could not decode.

    Attributes:
        decoded: number, context, temperature and language of each window that was decoded.
        asked: numbers of the windows that were asked for their language, with the context in
            ``asked_in``.
    """

    num_workers = 1
    num_listeners = 1

    def __init__(
        self,
        says: Says = lambda number, context_s, temperature: GOOD,
        languages: dict[int, dict[str, float]] | None = None,
        *,
        is_multilingual: bool = True,
    ) -> None:
        self.is_multilingual = is_multilingual
        self.decoded: list[tuple[int, float, float, str]] = []
        self.asked: list[int] = []
        self.asked_in: list[tuple[int, float]] = []
        self._says = says
        self._languages = languages or {}

    def features(self, samples: Any, context_s: float) -> Any:
        assert len(samples) <= context_s * SAMPLE_RATE_HZ
        return np.full((1, int(50 * context_s), 1), samples[0])

    def encode(self, features: Sequence[Any]) -> list[Any]:
        return list(features)

    def languages(self, encoded: Any) -> dict[str, float]:
        number = int(encoded[0, 0, 0])
        self.asked.append(number)
        self.asked_in.append((number, encoded.shape[1] / 50))
        return {"en": 0.0, **self._languages.get(number, {"en": 0.95, "es": 0.05})}

    def decode(
        self,
        encoded: Sequence[Any],
        languages: Sequence[str],
        options: TranscriptionOptions,
        temperature: float = 0.0,
    ) -> list[Decoded]:
        assert len(languages) == len(encoded)
        assert all(languages)
        stacked = np.concatenate(encoded)  # refuses windows of several contexts
        context_s = stacked.shape[1] / 50
        said = []
        for one, language in zip(stacked, languages, strict=True):
            number = int(one[0, 0])
            self.decoded.append((number, context_s, temperature, language))
            said.append(self._says(number, context_s, temperature))
        return said

    def align(
        self,
        encoded: Sequence[Any],
        decoded: Sequence[Decoded],
        languages: Sequence[str],
        windows: Sequence[Window],
        task: str,
    ) -> list[list[Word]]:
        """The words of the text; the window and the language are in their probability."""
        numbers = [int(one[0, 0]) for one in np.concatenate(encoded)]
        lengths_s = [one.duration_s for one in windows]
        together = zip(numbers, decoded, languages, lengths_s, strict=True)
        assert all(one.tokens for one in decoded)
        return [
            [
                Word(f" {text}", min(0.25 * place, length_s), length_s, mark(number, language))
                for place, text in enumerate(one.text.split())
            ]
            for number, one, language, length_s in together
        ]


def mark(number: int, language: str) -> float:
    """What tells the words of a window and a language from others."""
    return number + {"en": 0.25, "es": 0.5}.get(language, 0.75)


def part(
    number: int,
    duration_s: float = 12.0,
    language: str = "en",
    options: TranscriptionOptions = OPTIONS,
) -> Part:
    samples = np.broadcast_to(np.float32(number), (int(duration_s * SAMPLE_RATE_HZ),))
    return Part(window(40 * number * SAMPLE_RATE_HZ, samples), options, language)


def hear(says: Says, *parts: Part) -> tuple[list[Heard], Whisper]:
    model = Whisper(says)
    return Transcriber(model).hear(parts), model  # type: ignore[arg-type]


def said(heard: Heard) -> Segment:
    """The segment of a window that has one."""
    (segment,) = heard.segments
    return segment


def text(heard: Heard) -> str:
    return said(heard).text


def tries(model: Whisper) -> list[tuple[float, float]]:
    """Context and temperature of each decoding."""
    return [(context_s, temperature) for _, context_s, temperature, _ in model.decoded]


def settle(before: str, *windows: tuple[float, dict[str, float]]) -> tuple[list[Part], Whisper]:
    """Find out the language of windows with so much speech and these probabilities."""
    parts = [part(n, speech_s, "") for n, (speech_s, _) in enumerate(windows)]
    model = Whisper(languages={n: languages for n, (_, languages) in enumerate(windows)})
    language = Transcriber(model).settle_language(parts, before)  # type: ignore[arg-type]
    assert {one.language for one in parts} == {language}
    return parts, model


def test_music_in_front_does_not_decide_on_the_language() -> None:
    music = (2.0, {"en": 0.99, "es": 0.01})
    speech = (18.0, {"en": 0.1, "es": 0.9})
    for windows in ([music, speech], [music, speech, speech], [speech, music]):
        parts, _ = settle("", *windows)
        assert parts[0].language == "es"


def test_an_unsure_window_is_outvoted() -> None:
    quotation = (19.0, {"en": 0.6, "es": 0.4})
    speech = (18.0, {"en": 0.1, "es": 0.9})
    parts, _ = settle("", quotation, speech, speech)
    assert parts[0].language == "es"
    assert 0.5 < parts[0].language_probability < 0.9


def test_the_first_language_needs_no_certainty() -> None:
    parts, _ = settle("", (9.0, {"it": 0.3, "es": 0.2}))
    assert parts[0].language == "it"
    assert parts[0].language_probability == pytest.approx(0.3)


@pytest.mark.parametrize("is_guess", [True, False])
def test_a_language_that_is_a_guess_is_the_one_whose_words_are_likely(is_guess: bool) -> None:
    class Telling(Whisper):
        """Makes most sense of Spanish, less of Latin, and still less of all others."""

        def decode(self, encoded: Any, languages: Sequence[str], *rest: Any) -> list[Decoded]:
            super().decode(encoded, languages, *rest)
            likely = {"es": -0.2, "la": -0.5, "ro": -0.1}
            return [
                dataclasses.replace(GOOD, avg_logprob=likely.get(one, -0.9)) for one in languages
            ]

    probability = MIN_PROBABILITY - 0.05 if is_guess else MIN_PROBABILITY
    by_sound = {"la": probability, "pt": 0.2, "es": 0.1, "ro": 0.01}
    model = Telling(languages=dict.fromkeys((1, 2, 3), by_sound))
    parts = [part(1, 20.0, language=""), part(2, 4.0, language="")]
    transcriber = Transcriber(model)  # type: ignore[arg-type]
    assert transcriber.settle_language(parts) == ("es" if is_guess else "la")
    # The probability stays that of the sound, so that the guess is flagged.
    assert parts[0].language_probability == pytest.approx(0.1 if is_guess else probability)
    assert [(number, one) for number, *_, one in model.decoded] == (
        [(1, "es"), (1, "pt"), (1, "la")] if is_guess else []
    )
    # Within a recording a guess changes nothing.
    assert transcriber.settle_language([part(3, 20.0, language="")], before="it") == "it"


@pytest.mark.parametrize(("probability", "language"), [(0.7, "es"), (0.9, "en")])
def test_a_change_of_language_takes_certainty(probability: float, language: str) -> None:
    windows = [(9.0, {"en": probability, "es": 1 - probability})] * 3
    assert settle("es", *windows)[0][0].language == language


def test_the_probability_is_that_of_the_language_beside_it() -> None:
    """Where the language before is kept, not that of the language which was refused."""
    parts, _ = settle("es", *[(9.0, {"en": 0.7, "es": 0.2})] * 3)
    assert parts[0].language == "es"
    assert parts[0].language_probability == pytest.approx(0.2)


def test_few_windows_are_asked_for_the_language() -> None:
    _, sure = settle("", *[(9.0, {"en": 0.95})] * 16)
    assert len(set(sure.asked)) == 1
    _, unsure = settle("", *[(9.0, {"en": 0.5})] * 16)
    assert len(set(unsure.asked)) == 3


def test_a_cut_window_that_is_not_sure_of_its_language_is_asked_in_full() -> None:
    unsure = {"en": MIN_CUT_PROBABILITY - 0.1, "es": 0.3}
    parts, model = settle("", (6.0, unsure), (5.0, {"en": 0.9}), (29.0, {"es": 0.5, "en": 0.4}))
    assert model.asked_in == [(2, 30.0), (0, 15.0), (0, 30.0), (1, 15.0)]
    # It is heard as it was asked; the others are as short as before.
    assert [one.context_s for one in parts] == [30.0, 15.0, 30.0]
    assert len({one.kind for one in parts}) == 2


def test_what_was_asked_for_its_language_is_not_encoded_again() -> None:
    class Counting(Whisper):
        num_encoded = 0

        def encode(self, features: Sequence[Any]) -> list[Any]:
            self.num_encoded += len(features)
            return super().encode(features)

    model = Counting(languages={1: {"en": 0.9}})
    transcriber = Transcriber(model)  # type: ignore[arg-type]
    parts = [part(1, language=""), part(2, language="")]
    transcriber.settle_language(parts)
    transcriber.hear(parts)
    assert model.num_encoded == 2


@pytest.mark.parametrize("before", ["", "it"])
@pytest.mark.parametrize("is_multilingual", [True, False])
def test_what_an_earlier_attempt_heard_decides(before: str, is_multilingual: bool) -> None:
    (known,), _ = hear(lambda number, context_s, temperature: GOOD, part(0, language="ru"))
    known = dataclasses.replace(known, language_probability=0.3)
    model = Whisper(languages={1: {"en": 1.0}}, is_multilingual=is_multilingual)
    parts = [part(1, language=""), part(2, language="")]
    transcriber = Transcriber(model)  # type: ignore[arg-type]
    assert transcriber.settle_language(parts, before, [known]) == "ru"
    assert {(one.language, one.language_probability) for one in parts} == {("ru", 0.3)}
    assert model.asked == []
    assert transcriber.settle_language([], before, [known]) == "ru"


def test_a_model_that_knows_english_alone_is_not_asked() -> None:
    model = Whisper(is_multilingual=False)
    parts = [part(1, language=""), part(2, language="")]
    assert Transcriber(model).settle_language(parts, "") == "en"  # type: ignore[arg-type]
    assert model.asked == []


def test_each_window_finds_out_its_own_language() -> None:
    model = Whisper(languages={1: {"es": 0.9}, 2: {"en": 0.6, "it": 0.4}})
    parts = [part(1, language=""), part(2, language=""), part(3, language="ru")]
    heard = Transcriber(model).hear(parts)  # type: ignore[arg-type]
    assert [one.language for one in heard] == ["es", "en", "ru"]
    assert [one.language_probability for one in heard] == [0.9, 0.6, 1.0]
    assert {number: language for number, *_, language in model.decoded} == {
        1: "es",
        2: "en",
        3: "ru",
    }
    assert set(model.asked) == {1, 2}


def test_what_is_said_in_a_cut_context_is_taken_where_the_model_is_sure() -> None:
    _, model = hear(lambda number, context_s, temperature: GOOD, part(1, 6.0))
    assert tries(model) == [(15.0, 0.0)]


@pytest.mark.parametrize("first", [UNSURE, BAD, LOOP, ENDLESS, TWICE])
def test_a_window_that_lost_by_a_cut_context_is_heard_with_the_full_one(first: Decoded) -> None:
    def says(number: int, context_s: float, temperature: float) -> Decoded:
        return GOOD if context_s == FULL_CONTEXT_S or number == 2 else first

    heard, model = hear(says, part(1, 6.0), part(2, 6.0))
    assert [text(one) for one in heard] == ["good words"] * 2
    assert [number for number, context_s, *_ in model.decoded if context_s == 30.0] == [1]
    assert {temperature for _, temperature in tries(model)} == {0.0}


@pytest.mark.parametrize(
    ("cut", "full", "is_kept"),
    [
        (UNSURE, UNLIKELIER, True),
        (UNSURE, LOOP, True),
        (UNSURE, GOOD, False),
        (BAD, WORSE, False),
        (LOOP, UNSURE, False),
        (TWICE, GOOD, False),
        (TWICE, dataclasses.replace(TWICE, avg_logprob=-0.1), False),
        # Whether anything is said is for the full context to decide.
        (UNSURE, NOTHING, False),
        (UNSURE, dataclasses.replace(SILENCE, avg_logprob=-0.9), False),
        (dataclasses.replace(UNSURE, no_speech_probability=0.7), UNLIKELIER, False),
    ],
)
def test_of_a_cut_and_the_full_context_the_likelier_words_stay(
    cut: Decoded, full: Decoded, is_kept: bool
) -> None:
    class Aligning(Whisper):
        """Remembers in which context words were placed."""

        placed_in: float = 0.0

        def align(self, encoded: Sequence[Any], *rest: Any) -> list[list[Word]]:
            self.placed_in = encoded[0].shape[1] / 50
            return super().align(encoded, *rest)

    def says(number: int, context_s: float, temperature: float) -> Decoded:
        return full if context_s == FULL_CONTEXT_S else cut

    model = Aligning(says)
    (heard,) = Transcriber(model).hear([part(1, 6.0)])  # type: ignore[arg-type]
    assert tries(model)[:2] == [(15.0, 0.0), (30.0, 0.0)]
    kept = cut if is_kept else full
    assert "".join(segment.text for segment in heard.segments) == kept.text
    assert model.placed_in == (0.0 if not kept.tokens else 15.0 if is_kept else 30.0)


def test_a_window_without_any_words_is_heard_with_the_full_context() -> None:
    """Speech was found in it; the model that hears no word of it has heard too little."""

    def says(number: int, context_s: float, temperature: float) -> Decoded:
        return (
            GOOD if context_s == FULL_CONTEXT_S else dataclasses.replace(NOTHING, avg_logprob=0.0)
        )

    heard, _ = hear(says, part(1, 6.0))
    assert text(heard[0]) == "good words"


def test_what_was_heard_in_full_is_not_heard_in_full_again() -> None:
    _, model = hear(lambda number, context_s, temperature: UNSURE, part(1, 29.0))
    assert tries(model) == [(30.0, 0.0)]


def test_doubtful_text_is_drawn_ever_more_freely_until_it_makes_sense() -> None:
    def says(number: int, context_s: float, temperature: float) -> Decoded:
        return GOOD if temperature >= 0.6 or number == 2 else LOOP

    heard, model = hear(says, part(1, 29.0), part(2, 29.0))
    assert [text(one) for one in heard] == ["good words"] * 2
    assert [temperature for n, _, temperature, _ in model.decoded if n == 1] == [0, 0.2, 0.4, 0.6]
    assert [temperature for n, _, temperature, _ in model.decoded if n == 2] == [0]


@PROPERTY
@given(st.lists(st.sampled_from([BAD, WORSE, LOOP, ENDLESS]), min_size=6, max_size=6))
def test_where_nothing_makes_sense_the_likeliest_that_is_no_loop_is_kept(
    tried: list[Decoded],
) -> None:
    by_temperature = dict(zip((0.0, *TEMPERATURES), tried, strict=True))
    (heard,), model = hear(
        lambda n, context_s, temperature: by_temperature[temperature], part(1, 29)
    )
    assert [temperature for _, temperature in tries(model)] == [0.0, *TEMPERATURES]
    flags = heard.segments[0].flags
    if BAD in tried or WORSE in tried:
        assert text(heard) == (BAD if BAD in tried else WORSE).text
        assert flags == ("low_confidence",)
    else:
        assert flags == ("loop",)


def test_silence_is_not_drawn_by_chance() -> None:
    heard, model = hear(lambda number, context_s, temperature: SILENCE, part(1, 29.0))
    assert tries(model) == [(30.0, 0.0)]
    assert said(heard[0]).is_silence


def test_what_the_model_leaves_empty_is_no_segment_but_was_heard() -> None:
    def says(number: int, context_s: float, temperature: float) -> Decoded:
        return NOTHING if number == 1 else GOOD

    heard, _ = hear(says, part(1, 29.0), part(2, 29.0))
    assert [len(one.segments) for one in heard] == [0, 1]
    assert [(one.start, one.speech_s) for one in heard] == [
        (40 * number * SAMPLE_RATE_HZ, 29.0) for number in (1, 2)
    ]


@PROPERTY
@given(
    st.lists(
        st.tuples(st.sampled_from([GOOD, UNSURE, BAD, NOTHING]), st.sampled_from(["en", "es"])),
        min_size=1,
        max_size=8,
    )
)
def test_words_stand_in_the_window_that_they_were_said_in(
    windows: list[tuple[Decoded, str]],
) -> None:
    """However languages and contexts are mixed in one batch."""

    def says(number: int, context_s: float, temperature: float) -> Decoded:
        return windows[number][0]

    parts = [part(number, 9.0, language) for number, (_, language) in enumerate(windows)]
    heard, _ = hear(says, *parts)
    for number, (one, (decoded, language)) in enumerate(zip(heard, windows, strict=True)):
        assert (one.place, one.language) == (parts[number].window.place, language)
        if decoded is NOTHING:
            assert one.segments == ()
            continue
        assert text(one) == decoded.text
        first, last = said(one).words
        assert {first.probability, last.probability} == {mark(number, language)}
        assert (first.start_s, last.end_s) == (40 * number, 40 * number + 9.0)
        assert (said(one).start_s, said(one).end_s) == (first.start_s, last.end_s)


NEIGHBOURS = st.permutations(range(6)).flatmap(
    lambda numbers: st.tuples(st.just(numbers), st.integers(1, 6))
)


@PROPERTY
@given(NEIGHBOURS)
def test_what_is_heard_does_not_depend_on_the_neighbours(drawn: tuple[list[int], int]) -> None:
    numbers, size = drawn
    first = [GOOD, UNSURE, BAD, LOOP, SILENCE, NOTHING]

    def says(number: int, context_s: float, temperature: float) -> Decoded:
        is_final = context_s == FULL_CONTEXT_S and temperature > 0.3 * number
        return GOOD if is_final else first[number]

    def fresh(number: int) -> Part:
        return part(number, 9.0, "es" if number % 2 else "en")

    alone = {number: hear(says, fresh(number))[0][0] for number in numbers}
    batches = [numbers[at : at + size] for at in range(0, 6, size)]
    together = [one for batch in batches for one in hear(says, *map(fresh, batch))[0]]
    for number, one in zip(itertools.chain(*batches), together, strict=True):
        assert dataclasses.replace(one, wall_s=0.0) == dataclasses.replace(
            alone[number], wall_s=0.0
        )


@pytest.mark.parametrize(
    "other",
    [
        {"initial_prompt": "Montebello"},
        {"hotwords": "Ferrara"},
        {"task": "translate"},
        {"beam_size": 1},
    ],
)
def test_windows_that_are_decoded_otherwise_share_no_batch(other: dict[str, Any]) -> None:
    options = dataclasses.replace(OPTIONS, **other)
    assert part(1).kind != part(1, options=options).kind


def test_windows_of_all_languages_and_streams_share_a_batch() -> None:
    options = dataclasses.replace(OPTIONS, language="es", audio_stream="1", audio_channels="split")
    assert part(1).kind == part(2, 11.0, "es", options).kind


def test_windows_that_need_another_context_share_no_batch() -> None:
    assert part(1, 5.0).kind != part(1, 25.0).kind


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("CUDA failed with error an illegal memory access was encountered", DeviceError),
        ("cuBLAS failed with status CUBLAS_STATUS_EXECUTION_FAILED", DeviceError),
        ("Library libcublas.so.12 is not found or cannot be loaded", DeviceError),
        ("parallel_for failed: cudaErrorInvalidDeviceFunction: invalid function", DeviceError),
        ("CUDA failed with error out of memory", OutOfMemoryError),
        ("parallel_for failed: cudaErrorInvalidDevice: invalid device ordinal", OutOfMemoryError),
        ("cuBLAS failed with status CUBLAS_STATUS_ALLOC_FAILED", OutOfMemoryError),
        ("std::bad_alloc", OutOfMemoryError),
        ("a shape is wrong", RuntimeError),
    ],
)
@pytest.mark.parametrize("call", ["hear", "settle_language"])
def test_what_the_card_says_is_told_from_what_a_recording_did(
    said: str, kind: type[Exception], call: str
) -> None:
    class Broken(Whisper):
        def encode(self, features: Sequence[Any]) -> list[Any]:
            raise (MemoryError if said == "std::bad_alloc" else RuntimeError)(said)

    transcriber = Transcriber(Broken())  # type: ignore[arg-type]
    parts = [part(1, language=""), part(2, language="")]
    arguments = (parts, "")[: 1 if call == "hear" else 2]
    with pytest.raises(kind) as caught:
        getattr(transcriber, call)(*arguments)
    assert type(caught.value) is kind


@pytest.mark.parametrize("broken", ["languages", "decode", "align"])
def test_what_goes_wrong_in_one_window_costs_its_words_or_times_alone(broken: str) -> None:
    model = Whisper()

    def fail(*arguments: Any) -> None:
        raise RuntimeError("No position encodings are defined for positions >= 448")

    setattr(model, broken, fail)
    parts = [part(1, language=""), part(2, language="")]
    transcriber = Transcriber(model)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):  # the engine tries each by itself
        transcriber.hear(parts)
    (heard,) = transcriber.hear([part(1, language="")])
    assert "position" in heard.trouble
    assert [segment.text for segment in heard.segments] == [GOOD.text] * (broken == "align")
    assert compose([heard, dataclasses.replace(heard, start=10**6)], 90.0).status == (
        "suspect" if broken == "align" else "failed"
    )


def test_the_time_is_shared_out_by_length() -> None:
    heard, _ = hear(lambda number, context_s, temperature: GOOD, part(1, 12.0), part(2, 6.0))
    assert heard[0].wall_s == pytest.approx(2 * heard[1].wall_s)
    assert 0 < heard[0].wall_s < 5


def test_windows_that_became_of_two_contexts_are_heard_together() -> None:
    """Where each finds out its language, one may be widened and its neighbour not."""
    model = Whisper(languages={1: {"en": 0.6, "es": 0.4}, 2: {"en": 0.9}})
    parts = [part(1, 6.0, ""), part(2, 6.0, ""), part(3, 6.0, "es")]
    heard = Transcriber(model).hear(parts)  # type: ignore[arg-type]
    assert [one.place for one in heard] == [one.window.place for one in parts]
    contexts = {number: context_s for number, context_s, _, _ in model.decoded}
    assert contexts == {1: 30.0, 2: 15.0, 3: 15.0}
    for number, (one, language) in enumerate(zip(heard, ["en", "en", "es"], strict=True), 1):
        assert {word.probability for word in said(one).words} == {mark(number, language)}


Timed = tuple[str, float, float]


class Placing(Whisper):
    """Says a text, and places words that a test gives."""

    def __init__(self, text: str, words: Sequence[Timed]) -> None:
        super().__init__(lambda *facts: dataclasses.replace(GOOD, text=text))
        self._words = [Word(*word, 0.5) for word in words]

    def align(self, *facts: Any) -> list[list[Word]]:
        return [self._words]


def parted(
    words: Sequence[Timed],
    text: str | None = None,
    spans: Sequence[tuple[int, int]] = ((100, 120),),
) -> tuple[Segment, ...]:
    """The segments of a window whose spans are given in seconds."""
    text = "".join(word for word, *_ in words).strip() if text is None else text
    in_samples = tuple((start * SAMPLE_RATE_HZ, end * SAMPLE_RATE_HZ) for start, end in spans)
    samples = np.ones(sum(end - start for start, end in in_samples), np.float32)
    made = Part(Window(in_samples, samples, 1), OPTIONS, "en")
    (heard,) = Transcriber(Placing(text, words)).hear([made])  # type: ignore[arg-type]
    assert heard.place == (in_samples[0][0], 1)
    assert heard.speech_s == len(samples) / SAMPLE_RATE_HZ
    return heard.segments


ONE_TWO = ((" One,", 0.5, 1.0), (" two.", 1.25, 2.0))


def test_the_text_of_a_window_is_parted_where_the_speaker_pauses() -> None:
    segments = parted([*ONE_TWO, (" Three", 3.5, 4.0)])
    assert [(one.text, one.start_s, one.end_s) for one in segments] == [
        ("One, two.", 100.5, 102.0),
        ("Three", 103.5, 104.0),
    ]
    for one in segments:
        assert (one.avg_logprob, one.no_speech_probability) == (-0.1, 0.05)
        assert (one.compression_ratio, one.channel, one.language) == (1.2, 1, "en")


def test_a_pause_that_is_left_out_of_the_samples_parts_the_text() -> None:
    segments = parted([*ONE_TWO, (" Three", 2.25, 3.0)], spans=[(100, 102), (104, 110)])
    assert [(one.text, one.start_s, one.end_s) for one in segments] == [
        ("One, two.", 100.5, 102.0),
        ("Three", 104.25, 105.0),
    ]


def test_a_text_without_a_pause_stays_as_the_model_wrote_it() -> None:
    assert [one.text for one in parted(ONE_TWO)] == ["One, two."]
    (spaced,) = parted(ONE_TWO, "One,  two.")
    assert spaced.text == "One,  two."


@pytest.mark.parametrize("text", ["One, two. Three four", "One, two", "Oné, two. Three"])
def test_a_text_whose_words_do_not_add_up_stays_whole(text: str) -> None:
    words = [*ONE_TWO, (" Three", 3.5, 4.0)]
    (whole,) = parted(words, text)
    assert (whole.text, whole.start_s, whole.end_s) == (text, 100.5, 104.0)
    assert [word.text for word in whole.words] == [word for word, *_ in words]


def test_a_text_that_could_not_be_placed_is_kept_over_the_whole_window() -> None:
    (whole,) = parted([], "One, two.", [(100, 102), (104, 110)])
    assert (whole.text, whole.words) == ("One, two.", ())
    assert (whole.start_s, whole.end_s) == (100.0, 110.0)


def test_a_text_in_letters_without_spaces_is_parted_without_any() -> None:
    segments = parted([("你好", 0.0, 0.5), ("。", 0.5, 0.5), ("世界", 2.0, 2.5)])
    assert [one.text for one in segments] == ["你好。", "世界"]


def test_no_part_is_empty() -> None:
    """Whatever the alignment makes of a space that stands alone."""
    segments = parted([(" One", 0.0, 0.5), (" ", 2.0, 2.1), (" two", 4.0, 4.5)], "One  two")
    assert all(one.text for one in segments)


PIECES = st.lists(
    st.tuples(
        st.sampled_from([" one", " two.", "-three", "四", " «¿cinco?»", " six"]),
        st.sampled_from([0.0, 0.3, 0.999, 1.0, 2.5]),
        st.sampled_from([0.0, 0.2, 1.5]),
    ),
    min_size=1,
    max_size=12,
)


@PROPERTY
@given(PIECES, st.sampled_from([[(100, 120)], [(100, 102), (104, 110), (112, 130)]]))
def test_parts_have_every_letter_in_order_inside_the_spans(
    pieces: list[tuple[str, float, float]], spans: list[tuple[int, int]]
) -> None:
    words, at_s = [], 0.0
    for word, pause_s, length_s in pieces:
        words.append((word, at_s + pause_s, at_s + pause_s + length_s))
        at_s += pause_s + length_s
    segments = parted(words, spans=spans)
    whole = "".join(word for word, *_ in words)
    assert "".join(one.text for one in segments).replace(" ", "") == whole.replace(" ", "")
    assert [word.text for one in segments for word in one.words] == [word for word, *_ in words]
    for one in segments:
        assert "".join(word.text for word in one.words).strip() == one.text
        assert (one.start_s, one.end_s) == (one.words[0].start_s, one.words[-1].end_s)
        for word in one.words:
            assert any(start <= word.start_s <= word.end_s <= end for start, end in spans)
    for before, after in itertools.pairwise(segments):
        assert after.start_s - before.end_s >= 1.0
