"""Word times beside faster-whisper's: how far from the truth words begin and end.

    python -m benchmarks.word_times
    python -m benchmarks.word_times --model tiny.en --labels FOLDER --json word-times.json

Bias (the median with its sign), median and 95 % of the errors in milliseconds, of the words that
both the text and the engine have, by set and language; words that end before they begin; and words
that begin or end in a pause. ``benchmarks.timed_words`` says what the sets are.
"""

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from benchmarks import machine, timed_words
from benchmarks.candidates import ours
from benchmarks.candidates.protocol import Request
from benchmarks.timed_words import TimedRecording, TimedWord
from opentr_pipeline.archive.references import comparable_words
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.recognition import engine, fetching
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.transcripts.window_results import compose

# What is in a pause by more than this is in it.
IN_PAUSE_S = 0.05
# Words that are so far apart are not the same one.
SAME_WORD_S = 3.0

Spoken = dict[Path, list[TimedWord]]


@dataclass
class Errors:
    """Of some words: seconds, later than the truth above zero."""

    starts_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)
    num_words: int = 0
    num_backwards: int = 0
    num_in_pauses: int = 0

    def count(self, recording: TimedRecording, said: Sequence[TimedWord]) -> None:
        """Add a recording's."""
        self.num_words += len(said)
        self.num_backwards += sum(bool(end < start) for start, end in map(_times, said))
        self.num_in_pauses += sum(
            bool(first + IN_PAUSE_S < at_s < last - IN_PAUSE_S)  # else NumPy's, which is no JSON
            for word in said
            for at_s in _times(word)
            for first, last in recording.pauses
        )
        for true, word in _pairs(recording.words, said):
            start_s, end_s = _times(word)
            if true.start_s is not None and abs(start_s - true.start_s) < SAME_WORD_S:
                self.starts_s.append(start_s - true.start_s)
            if true.end_s is not None and abs(end_s - true.end_s) < SAME_WORD_S:
                self.ends_s.append(end_s - true.end_s)


def _times(word: TimedWord) -> tuple[float, float]:
    return word.start_s or 0.0, word.end_s or 0.0


def _pairs(
    true: Sequence[TimedWord], said: Sequence[TimedWord]
) -> Iterator[tuple[TimedWord, TimedWord]]:
    """The words that both have, in order."""
    texts = [["".join(comparable_words(one.text)) for one in words] for words in (true, said)]
    for block in SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks():
        yield from zip(true[block.a :][: block.size], said[block.b :][: block.size], strict=True)


def by_us(request: Request) -> Spoken:
    """The product's engine."""
    recognizer, options = ours.load(request)
    names = {engine.Source(Sound(Path(one)), options): Path(one) for one in request.files}
    spoken = {}
    for source in engine.transcribe(recognizer, request.batch_size, iter(names)):
        words = [
            word
            for segment in compose(source.heard, source.sound.duration_s).segments
            for word in segment.words
        ]
        spoken[names[source]] = [TimedWord(one.text, one.start_s, one.end_s) for one in words]
    return spoken


def by_faster_whisper(request: Request) -> Spoken:
    """Its batched pipeline, with its defaults."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(
        request.model, compute_type=request.compute_type, cpu_threads=request.threads
    )
    pipeline = BatchedInferencePipeline(model)
    spoken = {}
    for file in request.files:
        segments, _ = pipeline.transcribe(file, word_timestamps=True)
        words = [word for segment in segments for word in segment.words or ()]
        spoken[Path(file)] = [TimedWord(one.word, one.start, one.end) for one in words]
    return spoken


SETS = {"placed": timed_words.placed, "synthesised": timed_words.synthesised}
CANDIDATES: dict[str, Callable[[Request], Spoken]] = {
    "ours": by_us,
    "faster-whisper": by_faster_whisper,
}


def measure(
    recordings: Sequence[TimedRecording], request: Request
) -> dict[tuple[str, str], Errors]:
    """The errors by set, with its language, and candidate."""
    found: dict[tuple[str, str], Errors] = defaultdict(Errors)
    for name, spoken_by in CANDIDATES.items():
        spoken = spoken_by(request)
        for one in recordings:
            for group in (f"{one.name}, {one.language}", "all"):
                found[group, name].count(one, spoken[one.path])
    return found


def row(errors: Errors) -> str:
    """The figures of a candidate."""
    sides = (_figures(errors.starts_s), _figures(errors.ends_s))
    return f"{'  '.join(sides)}  {errors.num_backwards:>9} {errors.num_in_pauses:>9}"


def _figures(errors_s: Sequence[float]) -> str:
    if not errors_s:
        return f"{'-':>24}"
    errors_ms = 1000 * np.array(errors_s)
    median, most = np.percentile(np.abs(errors_ms), (50, 95))
    return f"{len(errors_s):>5} {np.median(errors_ms):>+6.0f} {median:>5.0f} {most:>5.0f}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="base", help="name of one that is fetched")
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--labels", type=Path, help="folder of WAV files with TextGrids")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="where all errors go")
    return parser.parse_args()


def main() -> None:
    """Make the sets, have them transcribed, print."""
    asked = _asked()
    print("\n".join(f"{name}: {fact}" for name, fact in machine.facts().items()))
    model = fetching.fetch(asked.model, load_settings({}, None).workspace.models)
    with tempfile.TemporaryDirectory() as place:
        recordings = [one for name in asked.sets for one in SETS[name](Path(place))]
        if asked.labels:
            recordings += timed_words.labelled(asked.labels)
        if model.english_only:
            recordings = [one for one in recordings if one.language == "en"]
        files = [str(one.path) for one in recordings]
        languages = [one.language for one in recordings]
        found = measure(recordings, Request(str(model.folder), files, languages, asked.threads))
    head = f"{'words':>5} {'bias':>6} {'med.':>5} {'95 %':>5}"
    print(f"\n{'':<57} {'starts':<24}  ends\n{'':<57} {head}  {head}  backwards in pauses")
    for group, name in sorted(found):
        print(f"{group:<42} {name:<14} {row(found[group, name])}", flush=True)
    if asked.json:
        kept = {" | ".join(key): asdict(value) for key, value in found.items()}
        asked.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
