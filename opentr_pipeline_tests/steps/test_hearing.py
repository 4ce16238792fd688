"""Speakers of one shard: what is kept, published, given up, and left to others."""

import shutil
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.recordings import Recording, probe_all
from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.errors import MediaError
from opentr_pipeline.planning.plan import Taking, plans_of
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.planning.speaker_plan import (
    SpeakerPlan,
    load_speaker_plan,
    make_speaker_plan,
)
from opentr_pipeline.planning.speaker_work import speaker_work
from opentr_pipeline.speakers.kept_spoken import KeptSpoken
from opentr_pipeline.steps import speaker_publishing
from opentr_pipeline.steps.hearing import NOBODY, HearingRun, Hears
from opentr_pipeline.transcripts.schemas import transcript_of
from opentr_pipeline.transcripts.store import Entry
from opentr_pipeline.transcripts.transcript import Transcript
from opentr_pipeline.transcripts.turns import Turn, Voice
from opentr_pipeline_tests.making import settings_of, transcript, wav

Heard = tuple[tuple[Turn, ...], tuple[Voice, ...]]
EVERYTHING = Taking()
TOLD: Heard = (
    (Turn(0, 0.0, 2.0), Turn(1, 2.0, 9.0)),
    (Voice(0, 2.0, (1.0, 0.0)), Voice(1, 7.0, (0.0, 1.0))),
)


class StandIn:
    """Says the same of every sound; networks are not what is tested here."""

    def __init__(self, also: Callable[[int], object] = lambda number: None) -> None:
        self.num_heard = 0
        self._also = also

    def hear(self, sound: Sound) -> Heard:
        assert list(sound.blocks())
        self.num_heard += 1
        self._also(self.num_heard)
        return TOLD


class Case:
    """An archive of tones whose words are published."""

    TEXT = "good morning dear listeners"

    def __init__(self, folder: Path) -> None:
        self.archive, self.folder = folder / "archive", folder
        self.make()
        for one in self.recordings():
            said = transcript("", self.TEXT, media_fingerprint=one.media_fingerprint)
            entry = Entry(one.recording_id, one.media_file.path, said)
            self.setup().store.publish(one.partition_key, [entry])

    def make(self) -> None:
        wav(self.archive / "radio/a.wav")
        wav(self.archive / "radio/b.wav", pitch_hz=500)
        (self.archive / "film").mkdir()
        shutil.copy(self.archive / "radio/a.wav", self.archive / "film/same.wav")

    def setup(self, **variables: object) -> Setup:
        places = {"ARCHIVE_DIR": self.archive, "OUTPUT_DIR": self.folder / "output"}
        return Setup(
            settings_of({**places, "SPEAKERS": "true", "GPU_DEVICE_ID": "cpu"}, **variables)
        )

    def recordings(self) -> list[Recording]:
        setup = self.setup()
        groups = setup.partitioning.groups(scan(self.archive).media_files)
        files = [(key, file) for key, group in groups.items() for file in group]
        return list(probe_all(self.archive, files, setup.probe_memory))

    def plan(self, taking: Taking = EVERYTHING, **variables: object) -> SpeakerPlan:
        partitions: dict[str, list[Recording]] = {}
        for one in self.recordings():
            partitions.setdefault(one.partition_key, []).append(one)
        plan = make_speaker_plan(self.setup(**variables), partitions, 1, taking)
        plans = plans_of(self.setup().store)
        plan.save(plans, "a-run")
        assert load_speaker_plan(plans, "a-run") == plan
        return plan

    def run(self, hears: Hears, taking: Taking = EVERYTHING, **variables: object) -> HearingRun:
        plan, store = self.plan(taking, **variables), self.setup().store
        run = HearingRun(self.archive, store, plan, lambda: hears)
        for shard in plan.shards:
            run.run(shard)
        speaker_publishing.publish_all_speakers(plan, store)
        self.left = speaker_publishing.speakers_left(plan, store)
        return run

    def states(self, **variables: object) -> dict[str, str]:
        works = speaker_work(self.setup(**variables), self.recordings())
        return {one.recording.media_file.path: one.state for one in works}

    def published(self) -> dict[str, Transcript]:
        store = self.setup().store
        found = {}
        for key in store.partition_keys():
            tables = store.read_together(key)
            for row in tables["transcripts"].to_pylist():
                found[row["path"]] = transcript_of(tables, row["recording_id"])
        return found


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path / "home"))
    return Case(tmp_path)


def test_the_same_bytes_are_heard_once_and_published_everywhere(case: Case) -> None:
    before = case.published()
    assert set(case.states().values()) == {"missing"}
    hears = StandIn()
    run = case.run(hears)
    assert (hears.num_heard, run.outcome.num_heard, case.left) == (2, 2, {})
    assert set(case.states().values()) == {"done"}
    for found in case.published().values():
        assert [one.speaker for one in found.segments] == ["SPEAKER_00", "SPEAKER_01"]
        assert (found.turns, found.num_speakers) == (TOLD[0], 2)
    # What is published needs no checkpoint, and nothing is heard again.
    assert KeptSpoken(case.setup().store.inner).listed("json") == set()
    assert not case.plan().shards
    # Asked for no more, the model's own segments are what there is.
    off: dict[str, Any] = {"SPEAKERS": "false"}
    assert set(case.states(**off).values()) == {"unwanted"}
    assert not case.plan(**off).shards
    case.run(StandIn(), **off)
    assert case.published() == before
    assert case.states(**off) == {}
    # Another folder may ask for them, of bytes that were heard; other channels are other turns.
    (case.archive / "opentr.toml").write_text('[film]\nspeakers = true\naudio_channels = "split"\n')
    assert case.states(**off) == {"film/same.wav": "missing"}


def test_what_another_partition_knows_is_not_heard_again(case: Case) -> None:
    case.run(StandIn())
    shutil.copy(case.archive / "radio/b.wav", case.archive / "film/again.wav")
    for one in case.recordings():
        if one.media_file.path == "film/again.wav":
            said = transcript("", case.TEXT, media_fingerprint=one.media_fingerprint)
            case.setup().store.publish("film", [Entry(one.recording_id, "film/again.wav", said)])
    assert case.states()["film/again.wav"] == "missing"
    hears = StandIn()
    case.run(hears)
    assert hears.num_heard == 0
    assert set(case.states().values()) == {"done"}


def test_a_bad_recording_costs_its_neighbours_nothing(case: Case) -> None:
    def once(number: int) -> None:
        if number == 1:
            raise MediaError("corrupt", "It makes no sense.")

    run = case.run(StandIn(once))
    assert (run.outcome.num_heard, len(run.outcome.failures), case.left) == (1, 1, {})
    assert sorted(set(case.states().values())) == ["done", "failed"]
    reasons = {found.speakers_reason for found in case.published().values()}
    assert reasons == {"", "It makes no sense."}
    hears = StandIn()
    case.run(hears)
    assert hears.num_heard == 0  # a person asks for it
    case.run(hears, Taking("failed"))
    assert (hears.num_heard, set(case.states().values())) == (1, {"done"})


def test_what_goes_wrong_for_no_known_reason_is_tried_twice(case: Case) -> None:
    def always(number: int) -> None:
        raise RuntimeError("no idea")

    for num_left in (2, 2):
        case.run(StandIn(always))
        assert sum(map(len, case.left.values())) == num_left + 1
    case.run(StandIn(always))
    assert case.left == {}
    assert {one.speakers_reason for one in case.published().values()} == {"RuntimeError: no idea"}


@pytest.mark.slow
def test_a_recording_under_which_the_process_dies_is_given_up(case: Case) -> None:
    class Death(BaseException):
        """As if the process were killed: nothing is taken back."""

    def die(number: int) -> None:
        raise Death

    for _ in range(2):
        plan = case.plan()
        run = HearingRun(case.archive, case.setup().store, plan, lambda: StandIn(die))
        run.withdraw = lambda: None  # type: ignore[method-assign]
        with pytest.raises(Death):
            run.run(plan.shards[0][:1])
    hears = StandIn()
    case.run(hears)
    assert hears.num_heard == 1
    reasons = {one.speakers_reason for one in case.published().values()}
    assert reasons == {"", "The process died 2 times while it heard who speaks."}


def test_what_another_run_holds_is_waited_for(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, kept = case.plan(), KeptSpoken(case.setup().store.inner)
    content = plan.shards[0][0].content
    claim = kept.lock(content)
    assert claim is not None

    def other_finishes(_: KeptSpoken, waited_for: object) -> None:
        assert waited_for == content
        claim.release()
        kept.drop(content)

    monkeypatch.setattr(KeptSpoken, "wait_for", other_finishes)
    hears = StandIn()
    HearingRun(case.archive, case.setup().store, plan, lambda: hears).run(plan.shards[0])
    assert hears.num_heard == 2


class Deaf(StandIn):
    """Hears nobody in the first sounds that it is given."""

    def __init__(self, num_deaf: int) -> None:
        super().__init__()
        self._num_deaf = num_deaf

    def hear(self, sound: Sound) -> Heard:
        told = super().hear(sound)
        return told if self.num_heard > self._num_deaf else ((), ())


def test_where_the_mix_says_nothing_channels_are_heard_or_a_reason_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for words; what has words and no turns is no silence."""
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path / "home"))

    class Stereo(Case):
        def make(self) -> None:
            wav(self.archive / "one.wav")
            with wave.open(str(self.archive / "two.wav"), "wb") as file:
                file.setparams((2, 2, 8000, 0, "NONE", ""))
                file.writeframes(bytes(range(250)) * 16)

    case = Stereo(tmp_path)
    hears = Deaf(99)
    case.run(hears)
    assert hears.num_heard == 1 + 4  # two channels: their mix, their difference, each by itself
    assert {one.speakers_reason for one in case.published().values()} == {NOBODY}
    case.run(Deaf(1), Taking("failed"))
    assert {one.speakers_reason for one in case.published().values()} == {""}
