"""WhisperS2T: batches across files. It cannot detect languages, so it is told them."""

from typing import Any

from benchmarks.candidates.protocol import Request, Said, answer


def load(request: Request) -> Any:
    """The model on its CTranslate2 backend."""
    import whisper_s2t  # type: ignore[import-not-found, unused-ignore]

    return whisper_s2t.load_model(
        request.model,
        backend="CTranslate2",
        device=request.device,
        compute_type=request.compute_type,
        cpu_threads=request.threads,
        asr_options={"beam_size": request.beam_size},
    )


def transcribe(model: Any, request: Request) -> Said:
    """All files in one call, without word times: its aligner is a model of its own."""
    num = len(request.files)
    results = model.transcribe_with_vad(
        request.files,
        lang_codes=request.languages,
        tasks=["transcribe"] * num,
        initial_prompts=[None] * num,
        batch_size=request.batch_size,
    )
    texts = {
        file: " ".join(segment["text"].strip() for segment in segments)
        for file, segments in zip(request.files, results, strict=True)
    }
    return texts, {}


if __name__ == "__main__":
    answer(load, transcribe)
