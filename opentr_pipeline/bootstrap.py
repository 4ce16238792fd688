"""Makes the environment where it is missing or out of date, then becomes ``opentr``.

Runs on a bare Python, before anything is installed: standard library only, imported by nobody.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
# What some commands need beside the rest, by the extras of pyproject.toml.
EXTRAS = {"test": ["test", "docs"], "docs": ["docs"]}


def main() -> None:
    """Set up under a lock, so that commands started together do not set up twice."""
    if sys.argv[1:] in ([], ["help"], ["--help"], ["-h"]):  # which need no environment
        text = (ROOT / "opentr_pipeline" / "help.txt").read_text(encoding="utf-8")
        print(text.replace("{program}", os.environ["OPENTR_COMMAND"]), end="")
        return
    extras = EXTRAS.get("".join(sys.argv[1:2]), [])
    if _missing(extras):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        # Of nobody else, who could keep us waiting by its lock.
        with os.fdopen(os.open(ROOT / ".venv.lock", flags, 0o600), "w") as lock:
            _lock(lock)
            if missing := _missing(extras):  # still
                _set_up(missing)
    opentr = str(VENV / "bin" / "opentr")
    os.execv(opentr, [opentr, *sys.argv[1:]])


def _lock(lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another command sets up the environment; waiting ...", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _stamp(extra: str) -> Path:
    """A file that says that this was installed, named after what was to be installed."""
    content = (ROOT / "pyproject.toml").read_bytes() + str(ROOT).encode()
    return VENV / f"installed-{extra or 'base'}-{hashlib.sha256(content).hexdigest()[:16]}"


def _missing(extras: list[str]) -> list[str]:
    return [extra for extra in ["", *extras] if not _stamp(extra).exists()]


def _set_up(missing: list[str]) -> None:
    print("Setting up the environment (once; a minute or two) ...", file=sys.stderr, flush=True)
    if not (VENV / "bin" / "pip").exists():
        _step([sys.executable, "-m", "venv", str(VENV)], "on Debian: apt-get install python3-venv")
    names = ",".join(extra for extra in missing if extra)
    target = f"{ROOT}[{names}]" if names else str(ROOT)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    _step([*pip, "install", "--quiet", "--editable", target], "pip needs a network or a mirror")
    for extra in missing:
        _stamp(extra).touch()


def _step(command: list[str], remedy: str) -> None:
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no reason given"]
        sys.exit(f"opentr: the set-up failed at `{' '.join(command)}`: {lines[-1]} ({remedy}).")


if __name__ == "__main__":
    main()
