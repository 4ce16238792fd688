"""Sound heard in processes of their own: the same windows, and nobody left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.listeners import Listeners
from opentr_pipeline.audio.windows import Window
from opentr_pipeline.errors import MediaError
from opentr_pipeline.recognition.recognizer import context_s
from opentr_pipeline.recognition.whisper.features import FRAMES_PER_S, LogMel
from opentr_pipeline_tests.conftest import wait_for
from opentr_pipeline_tests.runs import SAMPLES

SPOKEN = SAMPLES / "interviews/telephone_call.wav"
LOG_MEL = LogMel((("feature_size", 80),))


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners(LOG_MEL)
    yield made
    made.close()


def pid_of(listeners: Listeners) -> int:
    (idle,) = listeners._idle
    return idle._process.pid


def test_windows_are_those_of_the_sound_with_the_features_of_each(listeners: Listeners) -> None:
    here, there = Sound(SPOKEN), Sound(SPOKEN)
    own, others = list(here.windows()), list(listeners.windows(there))
    assert [one.spans for one in own] == [one.spans for one in others]
    for one, other in zip(own, others, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
        np.testing.assert_array_equal(LOG_MEL(one), other.features)
        assert other.features.shape == (80, context_s(one.duration_s) * FRAMES_PER_S)
    assert (there.duration_s, there.num_errors) == (here.duration_s, here.num_errors)
    assert there.duration_s > 10
    assert there.peaks.evenly() == here.peaks.evenly()
    assert len(set(there.peaks.evenly())) > 50


def test_what_is_wrong_with_a_file_is_said_as_ever(listeners: Listeners, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no sound at all")
    with pytest.raises(MediaError) as refused:
        list(listeners.windows(Sound(broken)))
    assert refused.value.status == "corrupt"
    with pytest.raises(FileNotFoundError):
        list(listeners.windows(Sound(tmp_path / "nowhere.wav")))
    pid = pid_of(listeners)
    assert list(listeners.windows(Sound(SPOKEN)))
    assert pid_of(listeners) == pid, "a bad file costs no process"


def test_one_that_is_killed_costs_its_sound_and_no_other(listeners: Listeners) -> None:
    list(listeners.windows(Sound(SPOKEN)))
    os.kill(pid_of(listeners), signal.SIGKILL)
    with pytest.raises(RuntimeError, match="exit code -9"):
        list(listeners.windows(Sound(SPOKEN)))
    assert list(listeners.windows(Sound(SPOKEN)))


def test_a_sound_that_nobody_wants_any_more_leaves_no_process(listeners: Listeners) -> None:
    list(listeners.windows(Sound(SPOKEN)))
    pid = pid_of(listeners)
    windows = listeners.windows(Sound(SPOKEN))
    assert isinstance(next(windows), Window)
    windows.close()  # type: ignore[attr-defined]
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_listeners_end_with_whoever_started_them_however_he_dies() -> None:
    script = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from opentr_pipeline.audio.decoding import Sound\n"
        "from opentr_pipeline.audio.listeners import Listeners\n"
        "from opentr_pipeline.recognition.whisper.features import LogMel\n"
        "listeners = Listeners(LogMel(()))\n"
        f"list(listeners.windows(Sound(Path({os.fspath(SPOKEN)!r}))))\n"
        "print(listeners._idle[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, stdout=subprocess.PIPE)
    assert done.returncode == -signal.SIGKILL
    listener = Path("/proc", done.stdout.decode().strip())
    wait_for(lambda: not listener.exists())
