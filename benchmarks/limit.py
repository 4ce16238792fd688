"""What the engine reaches beside what one core of this machine could do, stage by stage.

    python -m benchmarks.limit --set short --json limit.json

Needs ``onnx``, which the extra ``speakers`` brings. The product's own calls work on a set, one
after the other on one thread, and the seconds are those of the processor, so that figures hold on a
machine that has other things to do. What is possible is measured in the same process: products of
matrices, and reading of memory.
"""

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine, speech_sets
from benchmarks.arithmetic import FRAMES_PER_S, Peaks, Work, crossing, decoding, encoding, peaks
from benchmarks.engine import SETS
from opentr_pipeline.audio import windows
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.devices.cards import CPU
from opentr_pipeline.recognition import fetching
from opentr_pipeline.recognition.batches import Batches
from opentr_pipeline.recognition.engine import STRETCH
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.recognizer import Part, share_of_batch
from opentr_pipeline.recognition.whisper.memory import CPU_BATCH
from opentr_pipeline.recognition.whisper.model import Whisper
from opentr_pipeline.recognition.whisper.shapes import SHAPES, ModelShape
from opentr_pipeline.recognition.whisper.transcriber import Transcriber
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.transcripts.store import Entry, TranscriptStore
from opentr_pipeline.transcripts.window_results import Heard, compose

CALLS = ("features", "encode", "decode", "align")
PROMPT_TOKENS = 4  # start, language, task, no timestamps
MODELS = ("base", "large-v3-turbo")


class Stages:
    """Processor seconds by stage; what one stage has another do counts for the other."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seconds: dict[str, float] = defaultdict(float)
        self.work: dict[str, Work] = defaultdict(Work)
        self.overriding = ""
        self._inner: list[float] = [0.0]

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, and what it takes goes to a stage."""

        def measured(*given: Any, **named: Any) -> Any:
            started = time.process_time()
            self._inner.append(0.0)
            try:
                return function(*given, **named)
            finally:
                took = time.process_time() - started
                self.seconds[self.overriding or stage] += took - self._inner.pop()
                self._inner[-1] += took

        return measured

    def count(self, stage: str, work: Work) -> None:
        """Some work was done in a stage."""
        self.work[self.overriding or stage] += work


class Observer:
    """Stands before a loaded model: its calls are timed, and their work is counted."""

    def __init__(self, whisper: Whisper, shape: ModelShape, stages: Stages) -> None:
        """Take the place of those calls of the model that are stages."""
        self._shape, self._stages = shape, stages
        self._seen: set[Part] = set()
        self._calls = {
            name: stages.timed(stage, getattr(whisper, name))
            for name, stage in (*((one, one) for one in CALLS), ("languages", "language"))
        }
        whisper_calls = vars(whisper)
        whisper_calls["features"] = self._calls["features"]
        whisper_calls["encode"] = self.encode
        whisper_calls["languages"] = self.languages
        whisper_calls["decode"] = self.decode
        whisper_calls["align"] = self.align

    def search(self, search: Callable[..., Any]) -> Callable[..., Any]:
        """A transcriber's search; what it looks for a second time is a stage of its own."""

        def noticed(parts: Sequence[Part], temperature: float = 0.0) -> Any:
            self._stages.overriding = "second tries" if self._seen.intersection(parts) else ""
            self._seen.update(parts)
            try:
                return search(parts, temperature)
            finally:
                self._stages.overriding = ""

        return noticed

    def encode(self, features: Sequence[Any]) -> Any:
        """As the model does."""
        for one in features:
            self._stages.count("encode", encoding(self._shape, one.shape[1] / 100))
        return self._calls["encode"](features)

    def languages(self, encoded: Any) -> Any:
        """As the model does."""
        context_s = _context(encoded)
        self._stages.count("language", crossing(self._shape, context_s))
        self._stages.count("language", decoding(self._shape, context_s, [1], 1))
        return self._calls["languages"](encoded)

    def decode(self, encoded: Sequence[Any], *given: Any) -> Any:
        """As the model does."""
        found = self._calls["decode"](encoded, *given)
        context_s = _context(encoded[0])
        tokens = [len(one.tokens) + PROMPT_TOKENS + 1 for one in found]
        for _ in found:
            self._stages.count("decode", crossing(self._shape, context_s))
        work = decoding(self._shape, context_s, tokens, given[1].beam_size)
        self._stages.count("decode", work)
        return found

    def align(self, encoded: Sequence[Any], decoded: Sequence[Any], *given: Any) -> Any:
        """As the model does; all tokens of a text at once."""
        for window, one in zip(encoded, decoded, strict=True):
            self._stages.count("align", crossing(self._shape, _context(window)))
            tokens = [len(one.tokens) + PROMPT_TOKENS]
            work = decoding(self._shape, _context(window), tokens, 1)
            self._stages.count("align", dataclasses.replace(work, read=0.0))
        return self._calls["align"](encoded, decoded, *given)


def _context(encoded: Any) -> float:
    return float(encoded.shape[1]) / FRAMES_PER_S


def transcribe(
    transcriber: Transcriber, files: Iterable[Path], options: TranscriptionOptions, stages: Stages
) -> float:
    """Do what the engine does, one thing after the other; seconds of sound."""
    sounds = [Sound(file) for file in files]
    batches: Batches[tuple[Sound, Part]] = Batches(CPU_BATCH // 2, 1, share_of_batch)
    vars(windows)["_speech"] = stages.timed("voice activity", windows._speech)
    for sound in sounds:
        found = stages.timed("decode media", lambda one: list(one.windows()))(sound)
        language = ""
        parts = [Part(window, options) for window in found]
        for start in range(0, len(parts), STRETCH):
            language = transcriber.settle_language(parts[start : start + STRETCH], language)
        for part in parts:
            batches.add(part.kind, (sound, part))
    heard: dict[Sound, list[Heard]] = {sound: [] for sound in sounds}
    while batch := batches.take(more_to_come=False):
        done = stages.timed("rest", transcriber.hear)([part for _, part in batch])
        for (sound, _), one in zip(batch, done, strict=True):
            heard[sound].append(one)
    stages.timed("publish", _publish)(heard)
    return sum(sound.duration_s for sound in sounds)


def _publish(heard: dict[Sound, list[Heard]]) -> None:
    """The tables of a partition with all of them."""
    now = datetime.now(UTC).isoformat()
    entries = []
    for number, (sound, found) in enumerate(heard.items()):
        outcome = dataclasses.replace(
            compose(found, sound.duration_s), media_fingerprint=str(number), transcribed_at=now
        )
        entries.append(Entry(str(number), f"{number}.wav", outcome))
    with tempfile.TemporaryDirectory() as folder:
        TranscriptStore(Path(folder)).publish("all", entries)


def main() -> None:
    """Measure, print, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--set", choices=SETS, default="short")
    parser.add_argument("--seconds", type=float, help="of a language (short) or recording (long)")
    parser.add_argument("--cache", type=Path, default=speech_sets.CACHE_DIR)
    parser.add_argument("--json", type=Path, help="where the figures go")
    asked = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before NumPy comes
    build, usual_s = SETS[asked.set]
    recordings = build(asked.cache, asked.seconds or usual_s)
    best, stages = peaks(), Stages()
    model = fetching.fetch("base", load_settings({}, None).workspace.models)
    options = TranscriptionOptions("base", model.digest, "int8", "auto", "transcribe", 5)
    whisper = Whisper(model, CPU, options, cpu_threads=1)
    transcriber = Transcriber(whisper)
    search = Observer(whisper, SHAPES["base"], stages).search(transcriber._decode)
    vars(transcriber)["_decode"] = search
    audio_s = transcribe(transcriber, [one.path for one in recordings], options, stages)
    _show(best, stages, audio_s)
    if asked.json:
        kept = {
            "machine": machine.facts(),
            "set": asked.set,
            "audio_s": audio_s,
            "peaks": dataclasses.asdict(best),
            "seconds": stages.seconds,
            "work": {name: dataclasses.asdict(one) for name, one in stages.work.items()},
        }
        asked.json.write_text(json.dumps(kept, indent=1, default=str))


def _giga(work: Work) -> float:
    return (work.whole + work.real) / 1e9


def _show(best: Peaks, stages: Stages, audio_s: float) -> None:
    for name in MODELS:
        work = encoding(SHAPES[name], 30.0)
        token = decoding(SHAPES[name], 30.0, [1], 5)
        print(
            f"{name}, int8, 30 s: encoder {_giga(work):.0f} GFLOP; "
            f"a token of five beams {_giga(token):.2f} GFLOP, {token.read / 1e6:.0f} MB read"
        )
    print(
        f"a core: int8 {best.whole / 1e9:.0f}, float32 {best.real / 1e9:.0f} GFLOP/s; "
        f"reads {best.read / 1e9:.1f} GB/s"
    )
    total_s = sum(stages.seconds.values())
    print(f"{audio_s:.0f} s of sound, {total_s:.1f} s of one core ({audio_s / total_s:.1f}x)")
    print(f"{'stage':<16} {'seconds':>8} {'share':>6} {'GFLOP':>7} {'possible':>9} {'reached':>8}")
    for stage, took_s in Counter(stages.seconds).most_common():
        line = f"{stage:<16} {took_s:>8.2f} {100 * took_s / total_s:>4.0f} %"
        if work := stages.work.get(stage):
            least_s = best.seconds(work)
            line += f" {_giga(work):>7.0f} {least_s:>8.2f}s"
            line += f" {100 * least_s / took_s:>6.0f} %"
        print(line)


if __name__ == "__main__":
    main()
