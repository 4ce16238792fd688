"""faster-whisper called directly: loaded once, one recording at a time, batched or sequential."""

from typing import Any

from benchmarks.candidates.protocol import Request, Said, answer


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


def transcribe(engine: Any, request: Request) -> Said:
    """Its own defaults in all that is not asked for."""
    options: dict[str, Any] = {
        "beam_size": request.beam_size,
        "word_timestamps": request.word_timestamps,
    }
    if request.batched:
        options["batch_size"] = request.batch_size
    texts, found = {}, {}
    for file, language in zip(request.files, request.languages, strict=True):
        told = language if request.is_told else None
        segments, facts = engine.transcribe(file, language=told, **options)
        texts[file] = " ".join(segment.text.strip() for segment in segments)
        found[file] = facts.language
    return texts, {} if request.is_told else found


if __name__ == "__main__":
    answer(load, transcribe)
