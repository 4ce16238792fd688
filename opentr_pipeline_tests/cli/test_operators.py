"""The operators' commands on archives without a model: what they ask for, JSON, health."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline import locks
from opentr_pipeline.archive.media_files import scan
from opentr_pipeline.archive.recordings import probe_all
from opentr_pipeline.cli import shared
from opentr_pipeline.cli.app import main
from opentr_pipeline.errors import MediaError
from opentr_pipeline.monitoring import health, status
from opentr_pipeline.planning.options import ArchiveOptions
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.recognition import models
from opentr_pipeline.services import dev, started_with
from opentr_pipeline.transcripts.store import Entry
from opentr_pipeline_tests.bucket_server import new_bucket
from opentr_pipeline_tests.cli.answers import asked
from opentr_pipeline_tests.making import OPTIONS, recording, transcript, wav
from opentr_pipeline_tests.steps.test_hearing import Case, StandIn


def test_who_looks_needs_a_model_only_once_something_is_transcribed(bare: Path) -> None:
    """As in a fresh clone."""
    seen = asked("status")
    assert isinstance(seen, dict)
    assert (seen["num_unprobed"], seen["num_done"], seen["num_stale"]) == (1, 0, 0)
    assert CliRunner().invoke(main, ["errors"]).output.startswith("Nothing: every recording")
    unknown = CliRunner().invoke(main, ["status"], env={"WHISPER_MODEL": "bas"})
    assert unknown.exit_code == 2
    assert "There is no model bas; did you mean base?" in unknown.output
    one = recording("a/one.wav", partition_key="a")
    published = Entry(one.recording_id, "a/one.wav", transcript("one"))
    shared.setup_of(None).store.publish("a", [published])
    for command in ("status", "errors", "eta", "metrics"):
        refused = CliRunner().invoke(main, [command])  # what is stale, the model alone could say
        assert refused.exit_code == 2
        assert refused.output.startswith("opentr: The model base is not in ")


@pytest.mark.slow
def test_before_the_first_run_a_bucket_has_nothing_that_needs_a_model(
    bare: Path, buckets: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPUT_DIR", f"s3://{new_bucket(buckets)}/tables")
    monkeypatch.setenv("S3_ENDPOINT_URL", buckets)
    monkeypatch.setenv("OPENTR_HOME", str(bare / "home"))
    for _ in range(2):  # the first has made folders of what it follows
        seen = asked("status")
        assert isinstance(seen, dict)
        assert (seen["num_unprobed"], seen["num_stale"]) == (1, 0)
    assert shared.setup_of(None).store.inner.exists()


def test_who_watches_from_before_the_first_run_sees_what_it_publishes(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "RESCAN_S", 0.0)
    monkeypatch.setattr(status, "RESCAN_SHARE", math.inf)
    setup = shared.setup_to_look(None)
    [media_file] = scan(setup.workspace.archive).media_files
    [one] = probe_all(setup.workspace.archive, [("a", media_file)], setup.probe_memory)
    watch = status.StatusWatch(setup, setup.options_to_look)
    assert watch.status().overview.num_missing == 1
    folder = bare / "models" / "base"  # as a run fetches it
    folder.mkdir(parents=True)
    record = {"name": "base", "files": {"model.bin": OPTIONS.model_digest}}
    (folder / models.MANIFEST).write_text(json.dumps(record))
    run = shared.setup_of(None)
    media, wanted = run.options.content(one)
    published = dataclasses.replace(
        transcript(), media_fingerprint=media, settings_fingerprint=wanted
    )
    run.store.publish(one.partition_key, [Entry(one.recording_id, "a/one.wav", published)])
    seen = watch.status().overview
    assert (seen.num_done, seen.num_stale, seen.num_missing) == (1, 0, 0)


def test_the_keys_of_json_are_stable(bare: Path) -> None:
    assert set(asked("status")) == set(  # type: ignore[call-overload]
        """num_done num_missing num_stale num_failed num_unprobed num_partitions done_audio_s
        pending_audio_s num_unpublished num_by_status num_speakers_left num_speakers_failed
        num_worker_slots num_slots_in_use slots_in_use
        closed_slots batch_limits devices runs speed_x page""".split()
    )
    assert set(asked("eta")) == set(  # type: ignore[call-overload]
        """num_pending pending_audio_s num_given_up num_unprobed num_worker_slots lately left_s
        done_at speakers""".split()
    )
    assert set(asked("throughput")) == {"hours", "days"}  # type: ignore[call-overload]
    assert asked("errors") == []
    assert set(asked("queue")) == {  # type: ignore[call-overload]
        *("runs", "num_worker_slots", "slots_in_use", "ranks_waiting", "closed_slots")
    }
    assert not (bare / "state" / "archives").exists()  # looking makes no state


def test_plan_eta_and_errors_speak_of_speakers(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENTR_HOME", str(bare / "home"))
    monkeypatch.setenv("SPEAKERS", "true")
    monkeypatch.setattr(Setup, "options", ArchiveOptions(OPTIONS))
    monkeypatch.setattr(Case, "setup", lambda *_, **__: shared.setup_of(None))
    case = Case(bare)
    wav(bare / "archive" / "new.wav", pitch_hz=600)  # whose words come first

    def said(*arguments: str) -> str:
        return CliRunner().invoke(main, list(arguments)).output

    to_do = "to be told apart in 5 recordings, 0.000 h of audio"
    assert f"Speakers are {to_do}, on the CPU.\n" in said("plan", "--model", "base")
    case.recordings()  # looked into
    assert f"speakers      {to_do}, which is not in the time above" in said("eta")
    assert "every recording that was looked at is as it should be" in said("errors")

    def once(number: int) -> None:
        if number == 1:  # three paths of the same bytes
            raise MediaError("corrupt", f"It makes no sense at {number} s.")

    case.run(StandIn(once))
    assert "to be told apart in 1 recording" in said("eta")
    text = said("errors")
    assert "3 without speakers: It makes no sense at N s." in text
    assert "opentr retry-failed; the words are kept" in text
    assert "film/same.wav" in text
    monkeypatch.setenv("SPEAKERS", "false")
    assert "Speakers are to be taken back in 4 recordings, on" in said("plan", "--model", "base")
    assert "without speakers" not in said("errors")


def test_health_says_what_is_wrong(bare: Path) -> None:
    facts = asked("health", code=1)
    assert isinstance(facts, dict)
    checks = {check["name"]: check for check in facts["checks"]}
    wrong = {name for name, check in checks.items() if not check["is_ok"]}
    assert wrong == {"model"}
    assert "1 media files" in checks["archive"]["said"]
    assert "nobody started it; opentr start dev does" in checks["page"]["said"]
    result = CliRunner().invoke(main, ["health"])
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == len(checks)
    assert "WRONG  model" in result.output
    assert list((bare / "worker_slots").iterdir()) == []


def test_health_of_settings_that_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_SCALE_WORKERS", "0")
    facts = asked("health", code=1)
    assert isinstance(facts, dict)
    assert [check["name"] for check in facts["checks"]] == ["settings"]
    assert "GPU_SCALE_WORKERS must be 1..64" in facts["checks"][0]["said"]


def test_the_file_system_of_a_folder(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / ext4 rw 0 0\nb {tmp_path.resolve()} nfs4 rw 0 0\n")
    assert health.file_system(tmp_path / "deep" / "er", mounts) == "nfs4"
    assert health.file_system(Path("/"), mounts) == "ext4"
    assert health.file_system(tmp_path, tmp_path / "nothing") == ""


@contextlib.contextmanager
def services_started(**values: str) -> Iterator[None]:
    """Make it look as if services ran that somebody started in another shell."""
    services = dev.DevServices.of(shared.settings_of(None, typed=values))
    services.home.mkdir(parents=True, exist_ok=True)
    (services.home / "dev.pid").write_text("1 3000")
    started_with.keep(services.home / "dev.settings.json", services.values)
    with locks.locked(services.home / "dev.lock"):
        yield


def test_who_looks_from_another_shell_sees_what_runs(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled = {"gpu_scale_device_id": "cpu", "gpu_scale_workers": "3", "whisper_model": "small"}
    with services_started(gpu_scale_enabled="true", **scaled):
        monkeypatch.setenv("OUTPUT_DIR", "auto")
        facts = asked("queue")
        assert isinstance(facts, dict)
        assert facts["num_worker_slots"] == 3
        seen = shared.setup_to_look(None)
        assert (seen.model_name, seen.workspace.output) == ("small", bare / "output")
        # Who transcribes shares the worker slots, and says the rest himself.
        mine = shared.setup_of(None)
        assert (len(mine.slots), mine.model_name) == (3, "base")
        said = CliRunner().invoke(main, ["start", "dev", "--gpu-scale"])
        assert said.exit_code == 2
        assert said.output == (
            "opentr: It runs already, scaled (GPU_SCALE_WORKERS=3, GPU_SCALE_DEVICE_ID=cpu): "
            "http://127.0.0.1:3000; opentr stop ends it.\n"
        )
    with services_started():
        said = CliRunner().invoke(main, ["start", "dev", "--gpu-scale"])
        assert said.exit_code == 2
        assert said.output == (
            "opentr: It runs already, not scaled: http://127.0.0.1:3000; opentr stop ends it, "
            "then opentr start dev --gpu-scale starts it scaled.\n"
        )
    facts = asked("health", code=1)  # nobody stopped them
    assert isinstance(facts, dict)
    [page] = [check["said"] for check in facts["checks"] if check["name"] == "page"]
    assert "ended, and nobody stopped them" in page
