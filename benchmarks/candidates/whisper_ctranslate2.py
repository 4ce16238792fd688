"""The command ``whisper-ctranslate2``: one process over the list of files.

It does not say how long its start and its model take. A second process, over one second of silence,
tells, and is taken off.
"""

import json
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

from benchmarks.candidates.protocol import Request, print_answer, used_s


def run(request: Request, files: list[str], folder: str) -> float:
    """Let the command write ``NAME.json`` for each file into a folder; the seconds it took."""
    options: dict[str, object] = {
        "model_directory": request.model,
        "local_files_only": True,
        "device": request.device,
        "compute_type": request.compute_type,
        "threads": request.threads,
        "beam_size": request.beam_size,
        "batched": True,
        "batch_size": request.batch_size,
        "word_timestamps": request.word_timestamps,
        "output_format": "json",
        "output_dir": folder,
        "verbose": False,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = Path(sys.executable).parent / "whisper-ctranslate2"
    begun = time.monotonic()
    done = subprocess.run([command, *files, *arguments], check=False, stdout=sys.stderr)
    if done.returncode:
        sys.exit(done.returncode)  # its own last line of errors is the one to show
    return time.monotonic() - begun


def silent_file(folder: str) -> str:
    """One second of silence."""
    path = Path(folder, "silence.wav")
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(16_000)
        stream.writeframes(bytes(32_000))
    return str(path)


def main() -> None:
    """Time both processes, read what was written."""
    request = Request(**json.load(sys.stdin))
    with tempfile.TemporaryDirectory() as folder:
        load_s = run(request, [silent_file(folder)], folder)
        loaded_s = used_s()
        wall_s = run(request, request.files, folder) - load_s
        cpu_s = used_s() - 2 * loaded_s
        texts = {
            file: json.loads(Path(folder, f"{Path(file).stem}.json").read_text())["text"]
            for file in request.files
        }
    print_answer(load_s, wall_s, cpu_s, texts, found={})


if __name__ == "__main__":
    main()
