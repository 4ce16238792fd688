"""whisper.cpp by its Python bindings: one recording at a time, sequential, with word times."""

import subprocess
from typing import Any

from benchmarks.candidates.protocol import Request, Said, answer

BEAM_SEARCH = 1  # the bindings' number of it; 0 is greedy


def load(request: Request) -> Any:
    """The model; its log goes nowhere."""
    from pywhispercpp.model import Model  # type: ignore[import-not-found, unused-ignore]

    return Model(
        request.model,
        params_sampling_strategy=BEAM_SEARCH,
        redirect_whispercpp_logs_to=None,
        beam_search={"beam_size": request.beam_size, "patience": -1.0},
        n_threads=request.threads,
        print_progress=False,
        token_timestamps=request.word_timestamps,
    )


def transcribe(model: Any, request: Request) -> Said:
    """Its own defaults in all that is not asked for: no voice activity, second tries by heat."""
    import _pywhispercpp  # type: ignore[import-not-found, unused-ignore]

    texts, found = {}, {}
    for file, language in zip(request.files, request.languages, strict=True):
        segments = model.transcribe(
            _decoded(file), language=language if request.is_told else "auto"
        )
        texts[file] = " ".join(segment.text.strip() for segment in segments)
        found[file] = _pywhispercpp.whisper_lang_str(_pywhispercpp.whisper_full_lang_id(model._ctx))
    return texts, {} if request.is_told else found


def _decoded(file: str) -> Any:
    """Sound as its command reads it; the bindings themselves take no WAV of another rate."""
    import numpy as np

    asked = ["-f", "s16le", "-ac", "1", "-ar", "16000"]
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", "-i", file, *asked, "-"]
    sound = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(sound, np.int16).astype(np.float32) / 32768


if __name__ == "__main__":
    answer(load, transcribe)
