"""What a run's configuration can reach: values and names, never what is loaded from where."""

import os
import pickle
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import (
    DagsterInvalidConfigError,
    build_input_context,
    build_output_context,
    validate_run_config,
)

from opentr_pipeline import definitions
from opentr_pipeline.defs.handed_on import HandedOn, sweep
from opentr_pipeline.defs.resources import transcription_resource
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.transcripts.kept_files import KEPT_DAYS, FolderFiles
from opentr_pipeline_tests.making import settings_of


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def contexts() -> tuple[Any, Any]:
    written = build_output_context(run_id="run", step_key="plan", name="result")
    return written, build_input_context(upstream_output=written)


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    written, read = contexts()
    value = {"number": 3, "plan_name": "/plans/é.json", "figures": [1.5, None]}
    HandedOn(FolderFiles(tmp_path, "here")).handle_output(written, value)
    assert HandedOn(FolderFiles(tmp_path, "here")).load_input(read) == value
    HandedOn(FolderFiles(tmp_path / "none", "here")).handle_output(written, None)
    assert not (tmp_path / "none").exists()


def test_a_pickle_in_the_place_of_a_value_runs_nothing(tmp_path: Path) -> None:
    written, read = contexts()
    HandedOn(FolderFiles(tmp_path, "here")).handle_output(written, 1)
    (kept,) = (path for path in tmp_path.rglob("*") if path.is_file())
    kept.write_bytes(pickle.dumps(Hostile(f"touch {tmp_path}/ran")))
    with pytest.raises(ValueError, match=r"codec|JSON|Expecting"):
        HandedOn(FolderFiles(tmp_path, "here")).load_input(read)
    assert not (tmp_path / "ran").exists()


def test_what_was_handed_on_long_ago_is_removed_from_our_own_dagster(tmp_path: Path) -> None:
    setup = Setup(settings_of(ARCHIVE_DIR=tmp_path, OPENTR_HOME=tmp_path / "state"))
    storage = setup.workspace.dagster_home / "storage"
    long_ago = time.time() - (KEPT_DAYS + 1) * 86_400
    for name in ("old run", "new run"):
        (storage / name).mkdir(parents=True)
        (storage / name / "step").write_text("left")
    os.utime(storage / "old run", (long_ago, long_ago))
    for root in (tmp_path, setup.workspace.dagster_home):
        kept = [path.name for path in storage.iterdir()]
        assert len(kept) == 2, "somebody else's Dagster is left alone"
        sweep(SimpleNamespace(root_directory=str(root)), setup)  # type: ignore[arg-type]
    assert [path.name for path in storage.iterdir()] == ["new run"]


@pytest.mark.parametrize("job", ["transcribe_archive", "__ASSET_JOB"])
def test_a_launch_can_set_no_folder_that_anything_is_loaded_from(job: str) -> None:
    schema = definitions.defs.resolve_job_def(job).run_config_schema.config_type
    resources = schema.fields["resources"].config_type.fields  # type: ignore[attr-defined]
    assert set(resources) <= {"io_manager", "handed_on", "transcription"}
    for name in {"io_manager", "handed_on"} & set(resources):
        settable = resources[name].config_type.fields["config"].config_type
        assert not hasattr(settable, "fields"), f"{name} has something to set"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("whisper_model", "/tmp/model"),
        ("whisper_model", "../model"),
        ("whisper_model", "~/model"),
        ("whisper_vocabulary_file", "/etc/passwd"),
        ("whisper_vocabulary_file", "words.txt"),
    ],
)
def test_a_run_names_no_path_that_the_settings_do_not(variable: str, value: str) -> None:
    usual = settings_of()
    resource = transcription_resource(usual).model_copy(update={variable: value})
    with pytest.raises(SettingsError, match=f"{variable.upper()}={value} is a path"):
        resource.settings(usual)
    own = settings_of({variable.upper(): value})
    assert getattr(transcription_resource(own).settings(own), variable) == value


def test_a_run_reads_no_variable_of_the_environment() -> None:
    """Dagster shows run config and errors to whoever sees the page."""
    for name in ("whisper_language", "whisper_initial_prompt", "whisper_beam_size"):
        config = {"resources": {"transcription": {"config": {name: {"env": "HOME"}}}}}
        job = definitions.defs.resolve_job_def("transcribe_archive")
        kept = validate_run_config(job, config)["resources"]["transcription"]["config"][name]
        resource = transcription_resource(settings_of()).model_copy(update={name: kept})
        with pytest.raises(
            SettingsError, match=f"{name.upper()} must be a text or a number, got a"
        ):
            resource.settings(settings_of())
    with pytest.raises(DagsterInvalidConfigError):
        validate_run_config(job, {"execution": {"config": {"worker_slots": {"env": "HOME"}}}})


def test_a_run_may_name_a_model() -> None:
    usual = settings_of()
    resource = transcription_resource(usual).model_copy(update={"whisper_model": "large-v3"})
    assert resource.settings(usual).whisper_model == "large-v3"
