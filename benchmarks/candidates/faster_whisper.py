"""faster-whisper called directly: loaded once, one recording at a time, batched or sequential."""

from typing import Any

from benchmarks.candidates.protocol import Request, answer


def load(request: Request) -> Any:
    """The model, within its batched pipeline where that is asked for."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(
        request.model,
        device=request.device,
        compute_type=request.compute_type,
        cpu_threads=request.threads,
    )
    return BatchedInferencePipeline(model) if request.batched else model


def transcribe(engine: Any, request: Request) -> dict[str, str]:
    """Its own defaults in all that is not asked for."""
    options: dict[str, Any] = {
        "beam_size": request.beam_size,
        "word_timestamps": request.word_timestamps,
    }
    if request.batched:
        options["batch_size"] = request.batch_size
    texts = {}
    for file in request.files:
        segments, _ = engine.transcribe(file, **options)
        texts[file] = " ".join(segment.text.strip() for segment in segments)
    return texts


if __name__ == "__main__":
    answer(load, transcribe)
