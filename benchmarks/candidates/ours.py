"""The product's engine alone, without Dagster and without the store."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from benchmarks.candidates.protocol import Request, Said, answer
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.devices.cards import CPU, list_cards
from opentr_pipeline.recognition import engine, loading, models
from opentr_pipeline.recognition.options import TranscriptionOptions
from opentr_pipeline.recognition.recognizer import Recognizer
from opentr_pipeline.recognition.whisper.memory import CPU_BATCH
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.transcripts.window_results import compose

Loaded = tuple[Recognizer, TranscriptionOptions]


def load(request: Request) -> Loaded:
    """The model, on the CPU or the first card."""
    device = CPU if request.device == "cpu" else list_cards()[0]
    model = models.find(request.model, load_settings({}, None).workspace.models)
    options = TranscriptionOptions(
        model.name,
        model.digest,
        request.compute_type,
        language="auto",
        task="transcribe",
        beam_size=request.beam_size,
    )
    return loading.load(model, device, options, request.threads), options


def transcribe(loaded: Loaded, request: Request) -> Said:
    """All recordings as one stream, as a shard does."""
    recognizer, options = loaded
    # The product's default on a CPU: in its engine a larger batch only costs memory.
    batch_size = CPU_BATCH if request.device == "cpu" else request.batch_size
    files: dict[engine.Source, str] = {}

    def sources() -> Iterator[engine.Source]:
        for file, language in zip(request.files, request.languages, strict=True):
            told = dataclasses.replace(options, language=language) if request.is_told else options
            source = engine.Source(Sound(Path(file)), told)
            files[source] = file
            yield source

    texts, found = {}, {}
    for source in engine.transcribe(recognizer, batch_size, sources()):
        transcript = compose(source.heard, source.sound.duration_s)
        texts[files[source]] = transcript.text
        found[files[source]] = transcript.language or ""
    return texts, {} if request.is_told else found


if __name__ == "__main__":
    answer(load, transcribe)
