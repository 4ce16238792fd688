"""What each stage of the engine takes on a device, measured in a process of its own."""

import dataclasses
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.listeners import Listeners
from opentr_pipeline.audio.windows import JOINED_SAMPLES, SAMPLE_RATE_HZ, Window
from opentr_pipeline.devices.cards import WorkerSlot, cpu_threads
from opentr_pipeline.devices.failures import device_errors
from opentr_pipeline.devices.usage import look_at, looks_at, peak_memory_bytes, sampled
from opentr_pipeline.monitoring.scaling_workers import Bench, Take, answer, hear
from opentr_pipeline.recognition.recognizer import FULL_CONTEXT_S, context_s
from opentr_pipeline.recognition.whisper.features import LogMel

if TYPE_CHECKING:
    from opentr_pipeline.audio.windows import Samples
    from opentr_pipeline.recognition.whisper.decoded import Decoded
    from opentr_pipeline.recognition.whisper.model import Whisper

# A stage is repeated so long, and so often at least; its time is the median.
REPEAT_S = 1.0
MIN_REPEATS = 3
CARD_LOOK_S = 0.02
# Of audio, heard before the engine is measured with a batch size.
WARM_UP_S = 300.0
# The longest window that is joined of several spans, and in what it is heard.
WINDOW_S = JOINED_SAMPLES / SAMPLE_RATE_HZ
CONTEXT_S = context_s(WINDOW_S)
Value = TypeVar("Value")


@dataclass(frozen=True)
class StageRow:
    """The stages with one batch size; speeds are seconds of sound in a second.

    Attributes:
        features_x: log-mel, on one thread; beside a card they are made by the listeners.
        encode_x: as the engine does; its neighbours likewise.
        engine_x: of the whole engine with one worker, on real media.
        utilization_percent: mean of the device meanwhile.
        memory_bytes: the most that the worker had of the device's memory.
        failure: why it could not be measured; the figures are 0 then.
    """

    compute_type: str
    batch_size: int
    features_x: float = 0.0
    encode_x: float = 0.0
    decode_x: float = 0.0
    align_x: float = 0.0
    engine_x: float = 0.0
    utilization_percent: float = 0.0
    memory_bytes: int = 0
    failure: str = ""


@dataclass(frozen=True)
class FrontEnd:
    """Media decoded, searched for speech and made features of, by some listeners at once."""

    num_listeners: int
    speed_x: float


def stage_rows(
    bench: Bench, takes: Sequence[Take], batch_sizes: Sequence[int], turn_s: float
) -> list[StageRow]:
    """Measure the stages on windows of 18 s cut from real speech, smallest batch first.

    Args:
        bench: model, device and options.
        takes: where the speech is; the engine hears them again and again.
        batch_sizes: those after one that fails are left out.
        turn_s: how long the engine as a whole is measured with each.
    """
    found = list(in_a_process(_stages, bench, takes, sorted(batch_sizes), turn_s))
    last = found[-1] if found else "nothing was measured"
    if isinstance(last, str):
        done = [row for row in found if isinstance(row, StageRow)]
        size = sorted(batch_sizes)[min(len(done), len(batch_sizes) - 1)]
        return [*done, StageRow(bench.options.compute_type, size, failure=last)]
    return found


def front_end(takes: Sequence[Take], numbers: Sequence[int], turn_s: float) -> list[FrontEnd]:
    """Measure the front end that works beside a card, with some numbers of listeners."""
    found = list(in_a_process(_front_end, takes, numbers, turn_s))
    return [one for one in found if isinstance(one, FrontEnd)]


def in_a_process(target: Callable[..., Iterator[Any]], *arguments: Any) -> Iterator[Any]:
    """What a generator yields in a new process; a sentence where it fails or dies."""
    context = multiprocessing.get_context("spawn")
    mailbox: Any = context.Queue()
    worker = context.Process(target=_post, args=(mailbox, target, arguments), daemon=True)
    worker.start()
    while (said := answer(mailbox, [worker])) is not None:
        yield said
        if isinstance(said, str):
            break
    worker.join()


def _post(mailbox: Any, target: Callable[..., Iterator[Any]], arguments: Sequence[Any]) -> None:
    try:
        for row in target(*arguments):
            mailbox.put(row)
    except Exception as error:
        mailbox.put(str(error) or type(error).__name__)
    else:
        mailbox.put(None)


def _stages(
    bench: Bench, takes: Sequence[Take], batch_sizes: Sequence[int], turn_s: float
) -> Iterator[StageRow]:
    from opentr_pipeline.recognition.whisper.model import Whisper
    from opentr_pipeline.recognition.whisper.transcriber import Transcriber

    device = bench.device
    before_bytes = 0 if device.is_cpu else look_at(device).memory_used_bytes
    threads = cpu_threads([WorkerSlot(device, 0)])
    whisper = Whisper(bench.model, device, bench.options, threads)
    recognizer = Transcriber(whisper)
    windows = _windows(takes, _num_windows(batch_sizes[-1]))
    for size in batch_sizes:
        with sampled(looks_at(device), CARD_LOOK_S) as all_usages, device_errors():
            row = _stage_row(whisper, bench, windows[: _num_windows(size)])
            share = turn_s / sum(
                1 / speed_x for speed_x in (row.encode_x, row.decode_x, row.align_x)
            )
            row = dataclasses.replace(row, batch_size=size)
            sized = dataclasses.replace(bench, batch_size=size)
            usage_name = "cpu" if device.is_cpu else "gpu"
            # The first batch on a card costs more than any other, and listeners are started.
            hear(sized, recognizer, looped(takes, WARM_UP_S))
            with sampled({usage_name: looks_at(device)[usage_name]}, CARD_LOOK_S) as usages:
                started = time.monotonic()
                heard_s = hear(sized, recognizer, looped(takes, share))
                engine_x = heard_s / (time.monotonic() - started)
        used = all_usages[usage_name].memory_used_bytes_max - before_bytes
        yield dataclasses.replace(
            row,
            engine_x=engine_x,
            utilization_percent=usages[usage_name].utilization_percent_mean or 0.0,
            memory_bytes=peak_memory_bytes() if device.is_cpu else used,
        )


def _stage_row(whisper: "Whisper", bench: Bench, windows: "Sequence[Samples]") -> StageRow:
    options, languages = bench.options, ["en"] * len(windows)
    features, features_s = _timed(
        lambda: [whisper.features(samples, CONTEXT_S) for samples in windows]
    )
    encoded, encode_s = _timed(lambda: whisper.encode(features))
    decoded, decode_s = _timed(lambda: whisper.decode(encoded, languages, options))
    spoken = [place for place, one in enumerate(decoded) if one.tokens]

    def align() -> object:
        told: list[Decoded] = [decoded[place] for place in spoken]
        sound = [encoded[place] for place in spoken]
        heard = [Window(((0, len(windows[place])),), windows[place]) for place in spoken]
        return whisper.align(sound, told, ["en"] * len(told), heard, options.task)

    _, align_s = _timed(align)
    heard_s = len(windows) * WINDOW_S
    return StageRow(
        options.compute_type,
        len(windows),
        heard_s / features_s,
        heard_s / encode_s,
        heard_s / decode_s,
        heard_s / align_s,
    )


def _num_windows(batch_size: int) -> int:
    """Of such windows in a batch of so many full ones."""
    return int(batch_size * FULL_CONTEXT_S / CONTEXT_S)


def _timed(stage: Callable[[], Value]) -> tuple[Value, float]:
    """What a stage gives, and the median of its times; the first, which warms up, is left out."""
    value = stage()
    times: list[float] = []
    while len(times) < MIN_REPEATS or sum(times) < REPEAT_S:
        started = time.monotonic()
        stage()
        times.append(time.monotonic() - started)
    return value, sorted(times)[len(times) // 2]


def _windows(takes: Sequence[Take], number: int) -> "list[Samples]":
    """Full windows of speech, cut from what is said in recordings one after the other."""
    import numpy as np

    speech: list[Samples] = []
    num_samples = 0
    for take in looped(takes, float("inf")):
        for window in Sound(take.path).windows():
            speech.append(window.samples)
            num_samples += len(window.samples)
            if num_samples >= number * JOINED_SAMPLES:
                whole = np.concatenate(speech)
                return [
                    whole[place * JOINED_SAMPLES : (place + 1) * JOINED_SAMPLES]
                    for place in range(number)
                ]
    raise AssertionError("recordings are repeated without end")


def looped(takes: Sequence[Take], audio_s: float) -> Iterator[Take]:
    """Recordings again and again, until they have so much audio; one at least."""
    given_s = 0.0
    while True:
        for take in takes:
            yield take
            given_s += take.duration_s
            if given_s >= audio_s:
                return


def _front_end(takes: Sequence[Take], numbers: Sequence[int], turn_s: float) -> Iterator[FrontEnd]:
    listeners = Listeners(LogMel(()))
    for number in numbers:
        _listened(takes, listeners, number, 0.0)  # the first loads the libraries
        speed_x = _listened(takes, listeners, number, 30 * turn_s * number)
        yield FrontEnd(number, _listened(takes, listeners, number, turn_s * speed_x))
    listeners.close()


def _listened(takes: Sequence[Take], listeners: Listeners, number: int, audio_s: float) -> float:
    """The speed of some listeners on so much audio, one recording each at least."""
    waiting: queue.SimpleQueue[Take] = queue.SimpleQueue()
    heard_s: list[float] = []
    for take in looped(takes, max(audio_s, sum(take.duration_s for take in takes[:number]))):
        waiting.put(take)

    def listen() -> None:
        while True:
            try:
                take = waiting.get_nowait()
            except queue.Empty:
                return
            sound = Sound(take.path)
            for _ in listeners.windows(sound):
                pass
            heard_s.append(sound.duration_s)

    threads = [threading.Thread(target=listen) for _ in range(number)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(heard_s) / (time.monotonic() - started)
