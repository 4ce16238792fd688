"""Real networks on speech: the sample archive's round table, and its parts."""

from pathlib import Path

import pytest

from benchmarks import sound
from benchmarks.diarization_error import Said, errors
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.errors import ModelError
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.speakers import fetching, models
from opentr_pipeline.speakers.diarization import Diarizer, load

pytestmark = pytest.mark.slow
TABLE = PROJECT_ROOT / "samples" / "archive" / "interviews" / "round_table.mp3"
MAX_ERROR = 0.15


@pytest.fixture(scope="module")
def diarizer() -> Diarizer:
    root = load_settings({}, None).workspace.models
    try:
        fetching.fetch(root)
    except ModelError as error:
        pytest.skip(f"the models that tell speakers apart ({error})")
    return load(root, 1)


def reference() -> list[Said]:
    lines = [line.split() for line in TABLE.with_suffix(".rttm").read_text().splitlines()]
    return [(line[7], float(line[3]), float(line[3]) + float(line[4])) for line in lines]


def test_voices_of_a_conversation_are_told_apart(diarizer: Diarizer) -> None:
    said = reference()
    turns, voices = diarizer.hear(Sound(TABLE))
    assert [voice.speaker for voice in voices] == list(range(len({who for who, *_ in said})))
    found = [(str(turn.speaker), turn.start_s, turn.end_s) for turn in turns]
    assert errors(said, found, 0.25).rate < MAX_ERROR
    assert all(len(voice.embedding) == 192 for voice in voices)
    assert {turn.channel for turn in turns} == {None}


def test_a_telephone_is_known_by_its_sound(diarizer: Diarizer, tmp_path: Path) -> None:
    """At whatever rate it is kept; two of these three made voices are one there."""
    thin = sound.telephone(sound.read(TABLE))
    sound.write(tmp_path / "thin.wav", [(thin * 0.7 * 32767).astype("int16")])
    _, voices = diarizer.hear(Sound(tmp_path / "thin.wav"))
    assert len(voices) >= 2
    assert {voice.embedding_model for voice in voices} == {models.TELEPHONE_MODEL}


def test_one_voice_is_one_and_silence_is_none(diarizer: Diarizer, tmp_path: Path) -> None:
    samples = sound.read(TABLE)
    who, *_ = reference()[0]
    mine = [
        samples[int(start * sound.RATE_HZ) : int(end * sound.RATE_HZ)]
        for one, start, end in reference()
        if one == who
    ]
    sound.write(tmp_path / "one.wav", mine)
    turns, voices = diarizer.hear(Sound(tmp_path / "one.wav"))
    assert turns
    assert len(voices) == 1
    sound.write(tmp_path / "silence.wav", [sound.silence(30)])
    assert diarizer.hear(Sound(tmp_path / "silence.wav")) == ((), ())


def test_a_channel_is_a_speaker(diarizer: Diarizer, tmp_path: Path) -> None:
    """The second channel says nothing, so nobody is there."""
    import wave

    import numpy as np

    samples = sound.read(TABLE)[: 15 * sound.RATE_HZ]
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setparams((2, 2, sound.RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.stack([np.zeros_like(samples), samples], axis=1).tobytes())
    turns, voices = diarizer.hear(Sound(tmp_path / "stereo.wav", split=True))
    assert [(voice.speaker, voice.channel) for voice in voices] == [(0, 1)]
    assert {(turn.speaker, turn.channel) for turn in turns} == {(0, 1)}
