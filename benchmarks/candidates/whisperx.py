"""WhisperX, transcription alone: the models that give its words their times need the network."""

from typing import Any

from benchmarks.candidates.protocol import Request, Said, answer


def load(request: Request) -> Any:
    """The model, with the voice activity detection that comes within the package."""
    import whisperx  # type: ignore[import-not-found, unused-ignore]

    return whisperx.load_model(
        request.model,
        request.device,
        compute_type=request.compute_type,
        threads=request.threads,
        asr_options={"beam_size": request.beam_size},
    )


def transcribe(model: Any, request: Request) -> Said:
    """One recording at a time, as its command does."""
    import whisperx

    texts, found = {}, {}
    for file in request.files:
        result = model.transcribe(whisperx.load_audio(file), batch_size=request.batch_size)
        texts[file] = " ".join(segment["text"].strip() for segment in result["segments"])
        found[file] = result["language"]
    return texts, found


if __name__ == "__main__":
    answer(load, transcribe)
