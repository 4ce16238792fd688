"""What a command says of speakers, before, while and after it tells them apart."""

from pathlib import Path

import pytest

from opentr_pipeline.errors import MediaError
from opentr_pipeline.launching.speaker_progress import SpeakerProgress
from opentr_pipeline.planning.plan import Taking
from opentr_pipeline.steps.hearing import HearingRun
from opentr_pipeline_tests.steps.test_hearing import Case, StandIn


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setenv("OPENTR_HOME", str(tmp_path / "home"))
    return Case(tmp_path)


def progress(case: Case, **variables: object) -> SpeakerProgress:
    return SpeakerProgress(case.setup(**variables), case.recordings(), Taking())


def test_each_recording_counts_when_it_is_heard(case: Case) -> None:
    said = progress(case)
    assert said.to_do() == "Speakers are to be told apart in 3 recordings, 0.000 h of audio."
    assert said.audio_s == pytest.approx({"radio": 0.4, "film": 0.2})
    assert said.sentence() == "Speakers: 0 of 3 recordings, 0.000 of 0.000 h of audio"
    plan = case.plan()
    run = HearingRun(case.archive, case.setup().store, plan, StandIn)
    run.run(plan.shards[0][:1])  # whose bytes are at two paths
    assert said.sentence().startswith("Speakers: 2 of 3 recordings, ")
    assert said.kept().startswith("Ended: in 2 of 3 recordings speakers are told apart, which is")
    case.run(StandIn())
    said.look_at_published()  # nothing is kept any more
    assert said.sentence().startswith("Speakers: 3 of 3 recordings, ")
    assert said.summary() == "Speakers are told apart in 3 recordings."
    again = progress(case)
    assert (again.to_do(), again.audio_s, again.summary()) == ("", {}, "")


@pytest.mark.slow
def test_taking_back_and_failing_are_sentences(case: Case) -> None:
    def once(number: int) -> None:
        if number == 1:
            raise MediaError("corrupt", "It makes no sense.")

    said = progress(case)
    case.run(StandIn(once))
    assert said.summary() == (
        "Speakers are told apart in 1 recording; in 2 recordings they could not be told apart "
        "(opentr errors says why)."
    )
    back = progress(case, SPEAKERS="false")
    assert back.to_do() == "Speakers are to be taken back in 3 recordings."
    assert back.sentence() == "Taking back who speaks in 3 recordings"
    case.run(StandIn(), SPEAKERS="false")
    assert back.summary() == "Speakers are taken back in 3 recordings."


def test_beside_words_it_counts_what_is_transcribed_first(case: Case) -> None:
    said = progress(case)
    said.expect(case.recordings())
    assert said.beside() == ""
    plan = case.plan()
    HearingRun(case.archive, case.setup().store, plan, StandIn).run(plan.shards[0])
    assert said.beside() == ", speakers told apart in 3 recordings"
    nobody = progress(case, SPEAKERS="false")
    nobody.expect(case.recordings())
    assert nobody.beside() == ""
