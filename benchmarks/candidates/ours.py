"""The product's engine alone, without Dagster and without the store."""

from pathlib import Path

from benchmarks.candidates.protocol import Request, answer
from opentr_pipeline import audio, models
from opentr_pipeline.devices import CPU, list_cards
from opentr_pipeline.settings import load_settings
from opentr_pipeline.transcriber import Transcriber, TranscriptionOptions


def load(request: Request) -> Transcriber:
    """The model, on the CPU or the first card."""
    device = CPU if request.device == "cpu" else list_cards()[0]
    model = models.find(request.model, load_settings({}, None).models_root)
    options = TranscriptionOptions(
        model.name,
        model.digest,
        request.compute_type,
        language="auto",
        task="transcribe",
        beam_size=request.beam_size,
    )
    return Transcriber(model, device, options, request.threads)


def transcribe(transcriber: Transcriber, request: Request) -> dict[str, str]:
    """One recording after another, as a shard does."""
    return {
        file: transcriber.transcribe(audio.decode(Path(file)), request.batch_size).text
        for file in request.files
    }


if __name__ == "__main__":
    answer(load, transcribe)
