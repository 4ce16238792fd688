"""Many recordings at once: nothing lost, nobody held up, nothing left behind; the model a fake."""

import dataclasses
import faulthandler
import itertools
import math
import random
import threading
import time
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.audio.windows import SAMPLE_RATE_HZ, Window
from opentr_pipeline.errors import DeviceError, MediaError, StoreError
from opentr_pipeline.recognition import engine
from opentr_pipeline.recognition.engine import STRETCH, transcribe
from opentr_pipeline.recognition.recognizer import Part
from opentr_pipeline.recognition.sources import Source
from opentr_pipeline.transcripts.transcript import Segment
from opentr_pipeline.transcripts.window_results import Heard
from opentr_pipeline_tests import making
from opentr_pipeline_tests.making import OPTIONS, PROPERTY_ON_DISK

Result = TypeVar("Result")
PATIENCE_S = 20.0
ENGLISH = dataclasses.replace(OPTIONS, language="en")
EACH_WINDOW = dataclasses.replace(OPTIONS, language="each_window")


def window(recording: int, place: int, duration_s: float = 5.0) -> Window:
    """The place-th window of a recording; its samples say which recording it is of."""
    samples = np.broadcast_to(np.float32(recording), (int(duration_s * SAMPLE_RATE_HZ),))
    return making.window(place * 30 * SAMPLE_RATE_HZ, samples)


def text_of(of: Window) -> str:
    return f"{of.samples[0]:.0f} at {of.place[0]}"


class Sound:
    """A sound that has these windows, then does what a test wants."""

    def __init__(self, windows: Iterable[Window], then: Callable[[], object] = int) -> None:
        self._windows = windows
        self._then = then
        self.num_taken = 0

    def windows(self) -> Iterator[Window]:
        for one in self._windows:
            self.num_taken += 1
            yield one
        self._then()


class Transcriber:
    """Hears what is written in the samples, as late and as wrongly as a test wants.

    Attributes:
        heard: texts of all windows that were heard.
        settled: of each recording, the first window, the language before and the one found.
    """

    def __init__(
        self,
        num_workers: int = 2,
        hear: Callable[[Sequence[Part]], object] = len,
        settle: Callable[[Sequence[Part]], object] = len,
    ) -> None:
        self.num_workers = num_workers
        self.num_listeners = min(4, num_workers)
        self.heard: list[str] = []
        self.batches: list[int] = []
        self.settled: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
        self._hear = hear
        self._settle = settle

    def windows(self, sound: Any) -> Any:
        return sound.windows()

    def unload(self) -> None:
        raise AssertionError("the engine leaves the model loaded")

    def settle_language(
        self, parts: Sequence[Part], before: str = "", known: Sequence[Heard] = ()
    ) -> str:
        self._settle(parts)
        if known:
            for part in parts:
                part.language, part.language_probability = known[0].language, 0.625
            return known[0].language
        first = parts[0].window
        # Something that is wrong as soon as stretches are mixed up or come in another order.
        language = f"{len(parts)} after {before[:2]}"
        self.settled[int(first.samples[0])].append((first.place[0], before, language))
        for part in parts:
            part.language, part.language_probability = language, 0.75
        return language

    def hear(self, parts: Sequence[Part]) -> list[Heard]:
        assert len({part.kind for part in parts}) == 1
        self._hear(parts)
        self.batches.append(len(parts))
        self.heard += [text_of(part.window) for part in parts]
        return [heard(part.window, part.language, part.language_probability) for part in parts]


def heard(of: Window, language: str = "en", probability: float = 1.0) -> Heard:
    start_s = of.spans[0][0] / SAMPLE_RATE_HZ
    said = Segment(start_s, start_s + of.duration_s, text_of(of), -0.1, 0.0, 1.0)
    return Heard(of.place[0], of.channel, of.duration_s, language, probability, 0.1, (said,))


def source(number: int, num_windows: int, **facts: Any) -> Source:
    """A recording of windows with lengths of all sorts."""
    windows = [window(number, place, 4.0 + (7 * place) % 26) for place in range(num_windows)]
    return Source(facts.pop("sound", Sound(windows)), facts.pop("options", OPTIONS), **facts)


def in_time(function: Callable[[], Result]) -> Result:
    """What a function returns or raises; a deadlock fails, with what every thread does."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    if thread.is_alive():
        faulthandler.dump_traceback(all_threads=True)
        pytest.fail("it never ends")
    if errors:
        raise errors[0]
    return results[0]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(1.0)
    assert [thread for thread in left if thread.is_alive()] == []


def settled(count: Callable[[], int]) -> int:
    """A number that threads drive up, once it has stood still for a while."""
    seen, since = count(), time.monotonic()
    while time.monotonic() - since < 0.15:
        time.sleep(0.005)
        if seen != (seen := count()):
            since = time.monotonic()
    return seen


def texts(of: Source) -> list[str]:
    return sorted(segment.text for one in of.heard for segment in one.segments)


def expected(number: int, num_windows: int) -> list[str]:
    return sorted(text_of(window(number, place)) for place in range(num_windows))


RECORDINGS = st.lists(
    st.tuples(st.sampled_from([0, 1, 2, 23, 24, 25, 50]), st.sampled_from("aef")),
    min_size=1,
    max_size=12,
)
LANGUAGES = {"a": OPTIONS, "e": EACH_WINDOW, "f": ENGLISH}


@PROPERTY_ON_DISK
@given(RECORDINGS, st.integers(1, 9), st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_is_heard_does_not_depend_on_order_batches_or_workers(
    recordings: list[tuple[int, str]], batch_size: int, num_workers: int, chance: random.Random
) -> None:
    def run(numbers: Sequence[int], batch_size: int, num_workers: int) -> dict[int, Any]:
        sources = {
            number: source(number, recordings[number][0], options=LANGUAGES[recordings[number][1]])
            for number in numbers
        }
        made = Transcriber(num_workers, lambda parts: time.sleep(chance.random() / 2000))
        done = list(transcribe(made, batch_size, iter(sources.values())))
        assert Counter(done) == Counter(sources.values())
        # All workers together hear no more than asked for, or 30 s each; a window takes 15 or more.
        assert max(made.batches, default=0) <= 2 * math.ceil(batch_size / num_workers)
        assert len(made.heard) == sum(count for count, _ in recordings)
        return {
            number: sorted(
                (
                    one.start,
                    one.language,
                    one.language_probability,
                    one.segments[0].text,
                )
                for one in of.heard
            )
            for number, of in sources.items()
        }

    numbers = list(range(len(recordings)))
    first = in_time(lambda: run(numbers, 1, 1))
    for number, (num_windows, _) in enumerate(recordings):
        assert sorted(text for *_, text in first[number]) == expected(number, num_windows)
    chance.shuffle(numbers)
    assert in_time(lambda: run(numbers, batch_size, num_workers)) == first


def test_many_recordings_with_random_timing_come_to_an_end() -> None:
    chance = random.Random(7)

    def dawdle(_: object) -> None:
        if chance.random() < 0.2:
            time.sleep(chance.random() / 500)

    def windows(number: int) -> Iterator[Window]:
        for place in range(chance.choice([0, 1, 1, 1, 3, 20, 50])):
            dawdle(place)
            yield window(number, place, chance.uniform(1, 30))

    made = Transcriber(6, dawdle, dawdle)
    sources = [Source(Sound(windows(number)), OPTIONS) for number in range(150)]
    done = in_time(lambda: list(transcribe(made, 3, iter(sources))))
    assert Counter(done) == Counter(sources)
    assert all(len(of.heard) == of.sound.num_taken for of in sources)
    assert len(set(made.heard)) == len(made.heard) == sum(of.sound.num_taken for of in sources)


def test_no_sources_are_no_work() -> None:
    assert in_time(lambda: list(transcribe(Transcriber(), 4, iter([])))) == []


def test_a_recording_without_speech_comes_back_empty() -> None:
    (done,) = in_time(lambda: list(transcribe(Transcriber(), 4, iter([source(1, 0)]))))
    assert (done.heard, done.error) == ([], None)


def test_a_recording_that_takes_long_to_read_holds_nobody_up() -> None:
    gate = threading.Event()
    slow = source(0, 0, sound=Sound([window(0, 0)], then=lambda: gate.wait(PATIENCE_S)))
    short = [source(number, 1) for number in range(1, 30)]
    done = transcribe(Transcriber(2), 4, iter([slow, *short]))
    first = in_time(lambda: list(itertools.islice(done, len(short))))
    assert set(first) == set(short)
    gate.set()
    assert in_time(lambda: list(done)) == [slow]


def test_a_long_recording_in_front_holds_no_short_one_back() -> None:
    long = source(0, 600)
    short = [source(number, 1) for number in range(1, 9)]
    made = Transcriber(2, lambda parts: time.sleep(0.001))
    done = in_time(lambda: list(transcribe(made, 4, iter([long, *short]))))
    assert done[-1] is long
    assert in_time(lambda: len(long.heard)) == 600


def test_a_recording_comes_back_while_others_wait_for_the_model() -> None:
    """As soon as its last window is done: not with the batch, and not at the end."""
    gate = threading.Event()

    def hear(parts: Sequence[Part]) -> None:
        if any(part.window.samples[0] == 1 for part in parts):
            gate.wait(PATIENCE_S)

    slow, quick = source(1, 3, options=ENGLISH), source(2, 1, options=ENGLISH)
    done = transcribe(Transcriber(4, hear), 1, iter([slow, quick]))
    assert in_time(lambda: next(done)) is quick
    gate.set()
    assert in_time(lambda: list(done)) == [slow]


@pytest.mark.parametrize(("num_workers", "batch_size"), [(1, 1), (1, 32), (3, 4)])
@pytest.mark.parametrize("options", [OPTIONS, ENGLISH])
def test_what_is_open_at_once_is_bounded(num_workers: int, batch_size: int, options: Any) -> None:
    gate = threading.Event()
    made = Transcriber(num_workers, lambda parts: gate.wait(PATIENCE_S))
    sources = [source(number, 400, options=options) for number in range(4)]
    done = transcribe(made, batch_size, iter(sources))
    runner = threading.Thread(target=lambda: list(done), daemon=True)
    runner.start()
    num_open = settled(lambda: sum(of.sound.num_taken for of in sources))
    bound = max(2 * STRETCH, 4 * batch_size, STRETCH * made.num_listeners)
    assert num_workers <= num_open <= bound + made.num_listeners * STRETCH
    gate.set()
    runner.join(PATIENCE_S)
    assert not runner.is_alive()
    assert len(made.heard) == 1600


def counted(sources: Iterable[Source], taken: list[Source]) -> Iterator[Source]:
    for one in sources:
        taken.append(one)
        yield one


def test_sources_are_taken_as_there_is_room() -> None:
    gate = threading.Event()
    taken: list[Source] = []
    made = Transcriber(2, lambda parts: gate.wait(PATIENCE_S))
    sources = counted((source(number, 1) for number in range(500)), taken)
    done = transcribe(made, 4, sources)
    runner = threading.Thread(target=lambda: list(done), daemon=True)
    runner.start()
    assert 2 <= settled(lambda: len(taken)) <= 2 * STRETCH + made.num_listeners
    gate.set()
    runner.join(PATIENCE_S)
    assert len(taken) == 500


@pytest.mark.parametrize("num_windows", [0, 1])
def test_sources_are_not_taken_faster_than_the_caller_takes_results(num_windows: int) -> None:
    """Each source that is not finished holds an open file, the lock of its claim."""
    taken: list[Source] = []
    sources = counted((source(number, num_windows) for number in range(3000)), taken)
    done = transcribe(Transcriber(2), 4, sources)
    in_time(lambda: next(done))
    assert settled(lambda: len(taken)) <= 300
    in_time(done.close)  # type: ignore[attr-defined]


def test_an_error_in_one_sound_is_that_recordings_alone() -> None:
    def fail() -> None:
        raise MediaError("corrupt", "It makes no sense.")

    broken = source(0, 0, sound=Sound([window(0, place) for place in range(20)], fail))
    fine = [source(number, 5) for number in range(1, 10)]
    done = in_time(lambda: list(transcribe(Transcriber(), 4, iter([broken, *fine]))))
    assert Counter(done) == Counter([broken, *fine])
    assert isinstance(broken.error, MediaError)
    assert [of.error for of in fine] == [None] * 9
    assert [texts(of) for of in fine] == [expected(number, 5) for number in range(1, 10)]


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("a shape is wrong")])
def test_an_error_in_one_window_is_that_recordings_alone(error: Exception) -> None:
    def hear(parts: Sequence[Part]) -> None:
        if any(text_of(part.window) == text_of(window(3, 1)) for part in parts):
            raise error

    made = Transcriber(2, hear)
    sources = [source(number, 6, options=ENGLISH) for number in range(8)]
    in_time(lambda: list(transcribe(made, 8, iter(sources))))
    assert [of.error for of in sources] == [error if n == 3 else None for n in range(8)]
    for number, of in enumerate(sources):
        if number != 3:
            assert texts(of) == expected(number, 6)


def test_an_error_in_one_language_is_that_recordings_alone() -> None:
    def settle(parts: Sequence[Part]) -> None:
        if parts[0].window.samples[0] == 2 and parts[0].window.place[0]:
            raise ValueError("no")

    sources = [source(number, 50) for number in range(4)]
    done = in_time(lambda: list(transcribe(Transcriber(2, settle=settle), 4, iter(sources))))
    assert Counter(done) == Counter(sources)
    assert [bool(of.error) for of in sources] == [False, False, True, False]
    assert texts(sources[3]) == expected(3, 50)


def failing(error: BaseException, after: int) -> Callable[[Sequence[Part]], None]:
    count = itertools.count()

    def fail(parts: Sequence[Part]) -> None:
        time.sleep(0.001)
        if next(count) == after:
            raise error

    return fail


@pytest.mark.parametrize("num_workers", [1, 4])
@pytest.mark.parametrize("where", ["hear", "settle"])
def test_a_failing_device_ends_everything(num_workers: int, where: str) -> None:
    error = DeviceError("CUDA failed")
    made = Transcriber(num_workers, **{where: failing(error, 3)})  # type: ignore[arg-type]
    sources = (source(number, 30) for number in range(100))
    before = threading.active_count()
    with pytest.raises(DeviceError, match="CUDA failed"):
        in_time(lambda: list(transcribe(made, 4, sources)))
    assert threading.active_count() <= before
    assert len(made.heard) < 500


def test_after_the_device_failed_no_other_batch_is_begun() -> None:
    failed = threading.Event()
    late: list[int] = []

    def hear(parts: Sequence[Part]) -> None:
        if failed.is_set():
            late.append(len(parts))
        if parts[0].window.samples[0] == 5:
            failed.set()
            raise DeviceError("CUDA failed")
        time.sleep(0.01)

    made = Transcriber(2, hear)
    sources = (source(number, 30, options=ENGLISH) for number in range(100))
    with pytest.raises(DeviceError):
        in_time(lambda: list(transcribe(made, 4, sources)))
    assert len(late) <= 2


class SlowCondition(threading.Condition):
    """Makes threads late for what they do next, as a busy machine may."""

    slows_maker = False

    def __init__(self) -> None:
        super().__init__()
        self._maker = threading.get_ident()

    def __exit__(self, *facts: Any) -> None:
        super().__exit__(*facts)
        if self.slows_maker == (threading.get_ident() == self._maker):
            time.sleep(0.003)


class SlowCaller(SlowCondition):
    """The same for the thread that asks for results."""

    slows_maker = True


@pytest.fixture(params=[threading.Condition, SlowCondition, SlowCaller])
def timing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {**vars(threading), "Condition": request.param}
    monkeypatch.setattr(engine, "threading", types.SimpleNamespace(**changed))


@pytest.mark.usefixtures("timing")
@pytest.mark.parametrize("after", [0, 1, 7])
def test_an_error_of_the_sources_reaches_the_caller(after: int) -> None:
    """It must not get lost between the last listener's end and the caller's look."""

    def sources() -> Iterator[Source]:
        for number in range(after):
            yield source(number, number % 2)
        raise StoreError("The disk is full.")

    for _ in range(10):
        with pytest.raises(StoreError):
            in_time(lambda: list(transcribe(Transcriber(2), 4, sources())))


@pytest.mark.usefixtures("timing")
def test_slow_threads_lose_nothing() -> None:
    sources = [source(number, number % 20) for number in range(20)]
    done = in_time(lambda: list(transcribe(Transcriber(3), 4, iter(sources))))
    assert Counter(done) == Counter(sources)
    assert [texts(of) for of in sources] == [expected(number, number % 20) for number in range(20)]


def test_an_error_where_windows_are_kept_reaches_the_caller() -> None:
    def fail(_: Heard) -> None:
        raise StoreError("The disk is full.")

    sources = [source(number, 3, on_heard=fail) for number in range(5)]
    with pytest.raises(StoreError):
        in_time(lambda: list(transcribe(Transcriber(2), 4, iter(sources))))


@pytest.mark.parametrize("num_taken", [0, 1, 3])
def test_nothing_goes_on_once_the_caller_has_enough(num_taken: int) -> None:
    made = Transcriber(3, lambda parts: time.sleep(0.002))
    forever = (source(number, 3) for number in itertools.count())
    done = transcribe(made, 4, forever)
    in_time(lambda: list(itertools.islice(done, num_taken)))
    in_time(done.close)  # type: ignore[attr-defined]
    so_far = len(made.heard)
    assert settled(lambda: len(made.heard)) == so_far


def test_stopping_waits_for_the_batches_under_way_alone() -> None:
    """A person who presses Ctrl-C must not wait for all windows that are open."""
    made = Transcriber(2, lambda parts: time.sleep(0.03))
    done = transcribe(made, 2, (source(number, 1 + 40 * number) for number in range(9)))
    in_time(lambda: next(done))
    so_far = len(made.batches)
    in_time(done.close)  # type: ignore[attr-defined]
    assert len(made.batches) - so_far <= 3 * made.num_workers


def test_stopping_does_not_wait_for_a_batch_to_be_tried_one_by_one() -> None:
    """After an error each window is heard by itself: that takes as long as many batches."""
    is_over = threading.Event()
    late: list[int] = []
    begun = threading.Event()

    def hear(parts: Sequence[Part]) -> None:
        late.extend([len(parts)] * is_over.is_set())
        if len(parts) > 1:
            begun.set()
            raise ValueError("no")
        time.sleep(0.02)

    done = transcribe(
        Transcriber(1, hear), 32, iter([source(0, 0), source(1, 32, options=ENGLISH)])
    )
    in_time(lambda: next(done))
    assert begun.wait(PATIENCE_S)
    is_over.set()
    in_time(done.close)  # type: ignore[attr-defined]
    assert len(late) <= 3


def test_a_caller_that_fails_leaves_no_thread() -> None:
    def run() -> None:
        for _ in transcribe(Transcriber(2), 4, (source(n, 2) for n in itertools.count())):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_time(run)


def test_an_interrupt_while_threads_start_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come at any moment; claims would stay taken and the model at work."""
    started: list[threading.Thread] = []

    class Thread(threading.Thread):
        def start(self) -> None:
            super().start()
            started.append(self)
            if len(started) == 3:
                raise KeyboardInterrupt

    changed = {**vars(threading), "Thread": Thread}
    monkeypatch.setattr(engine, "threading", types.SimpleNamespace(**changed))
    taken: list[Source] = []
    made = Transcriber(2, lambda parts: time.sleep(0.001))
    done = transcribe(made, 4, counted((source(n, 2) for n in range(300)), taken))
    with pytest.raises(KeyboardInterrupt):
        next(done)
    so_far = len(taken)
    assert settled(lambda: len(taken)) == so_far < 300


def known_windows(number: int, places: Iterable[int], language: str) -> dict[Any, Heard]:
    found = [heard(window(number, place), language, 0.625) for place in places]
    return {one.place: one for one in found}


@pytest.mark.parametrize("options", [OPTIONS, ENGLISH, EACH_WINDOW])
@pytest.mark.parametrize("places", [range(20), [0, 2, 17], range(5, 40), range(40)])
def test_what_is_known_is_not_heard_again(options: Any, places: Iterable[int]) -> None:
    known = known_windows(1, places, "es")
    fresh: list[Heard] = []
    made = Transcriber()
    again = source(1, 40, options=options, known=known, on_heard=fresh.append)
    in_time(lambda: list(transcribe(made, 4, iter([again]))))
    assert texts(again) == expected(1, 40)
    assert set(known.values()) <= set(again.heard)
    assert len(made.heard) == len(fresh) == 40 - len(known)
    assert set(fresh) == set(again.heard) - set(known.values())


def test_what_is_new_in_a_known_stretch_has_its_language() -> None:
    made = Transcriber()
    known = known_windows(1, range(STRETCH + 4), "es")
    again = source(1, 2 * STRETCH + 8, known=known)
    in_time(lambda: list(transcribe(made, 4, iter([again]))))
    by_place = {one.start // (30 * SAMPLE_RATE_HZ): one for one in again.heard}
    assert {by_place[place].language for place in range(2 * STRETCH)} == {"es"}
    assert {by_place[place].language_probability for place in range(2 * STRETCH)} == {0.625}
    # The next one is found out, after the language that is known.
    ((start, before, _),) = made.settled[1]
    assert (start, before) == (window(1, 2 * STRETCH).place[0], "es")


def test_the_language_is_found_out_stretch_by_stretch_in_order() -> None:
    made = Transcriber(4, settle=lambda parts: time.sleep(random.random() / 300))
    sources = [source(number, num_windows) for number, num_windows in enumerate([130, 5, 65])]
    in_time(lambda: list(transcribe(made, 4, iter(sources))))
    for number, num_windows in enumerate([130, 5, 65]):
        stretches = made.settled[number]
        starts = [window(number, place).place[0] for place in range(0, num_windows, STRETCH)]
        assert [start for start, _, _ in stretches] == starts
        found = [language for _, _, language in stretches]
        assert [before for _, before, _ in stretches] == ["", *found[:-1]]
        by_start = sorted(sources[number].heard, key=lambda one: one.start)
        for place, one in enumerate(by_start):
            assert one.language == found[place // STRETCH]


def test_a_language_that_is_asked_for_is_not_found_out() -> None:
    made = Transcriber()
    sources = [source(1, 20, options=ENGLISH), source(2, 20, options=EACH_WINDOW)]
    in_time(lambda: list(transcribe(made, 4, iter(sources))))
    assert made.settled == {}
    assert {one.language for one in sources[0].heard} == {"en"}
    assert {one.language for one in sources[1].heard} == {""}  # for the transcriber to find out


def test_windows_are_reported_once_and_one_at_a_time() -> None:
    inside = threading.Lock()
    reported: list[str] = []

    def on_heard(one: Heard) -> None:
        assert inside.acquire(blocking=False), "two at once"
        time.sleep(0.0005)
        reported.append(one.segments[0].text)
        inside.release()

    sources = [source(number, 20, on_heard=on_heard) for number in range(3)]
    in_time(lambda: list(transcribe(Transcriber(4), 3, iter(sources))))
    assert sorted(reported) == sorted(t for number in range(3) for t in expected(number, 20))
    assert [of.error for of in sources] == [None] * 3
