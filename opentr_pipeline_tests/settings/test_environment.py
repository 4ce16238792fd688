"""Settings: what is accepted, and the one sentence for everything that is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentr_pipeline.devices.cards import CPU, Device, WorkerSlot, cpu_threads, worker_slots
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.env_example import env_example
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.making import PROPERTY, settings_of

UUIDS = [f"GPU-{digit * 8}-1111-2222-3333-444444444444" for digit in "abc"]
CARDS = [Device(str(n), uuid, "A card", 24 * 10**9) for n, uuid in enumerate(UUIDS)]
VARIABLES = sorted(name.upper() for name in Settings.model_fields)


def refusal(variables: dict[str, str], env_file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(variables, env_file)
    return sentence(caught.value)


def slots_refusal(variables: dict[str, object], cards: list[Device]) -> str:
    with pytest.raises(SettingsError) as caught:
        worker_slots(settings_of(variables), cards)
    return sentence(caught.value)


def settings_or_refusal(variables: dict[str, str]) -> Settings | str:
    try:
        return load_settings(variables, None)
    except SettingsError as error:
        return sentence(error)


def sentence(error: Exception) -> str:
    said = str(error)
    assert "\n" not in said
    assert said.endswith((".", "?"))
    return said


def slot_names(variables: dict[str, object], cards: list[Device]) -> list[str]:
    return [slot.name for slot in worker_slots(settings_of(variables), cards)]


def env_file_with(folder: Path, text: str | bytes) -> Path:
    path = folder / ".env"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_example_is_what_the_settings_print() -> None:
    assert (PROJECT_ROOT / ".env.example").read_text(encoding="utf-8") == env_example()


def test_the_example_holds_every_variable_with_its_default() -> None:
    assert load_settings({}, PROJECT_ROOT / ".env.example") == Settings()
    lines = [line.split("=")[0] for line in env_example().splitlines() if "=" in line]
    assert sorted(line for line in lines if line.isupper()) == VARIABLES


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        ("GPU_SCALE_WORKERS", "0", "1..64"),
        ("GPU_SCALE_WORKERS", "abc", "1..64"),
        ("GPU_SCALE_WORKERS", "1000", "1..64"),
        ("GPU_SCALE_WORKERS", "-1", "1..64"),
        ("GPU_SCALE_WORKERS", "2.5", "1..64"),
        ("GPU_SCALE_ENABLED", "maybe", "true or false"),
        ("GPU_SCALE_DEFAULT_WORKER", "2", "true or false"),
        (
            "GPU_SCALE_DEVICE_ID",
            "0;2",
            "device numbers or GPU UUIDs separated by commas, or cpu",
        ),
        ("GPU_SCALE_DEVICE_ID", "0,0", "device numbers or GPU UUIDs, each once, or cpu alone"),
        ("GPU_SCALE_DEVICE_ID", "0,cpu", "device numbers or GPU UUIDs, each once, or cpu alone"),
        ("GPU_DEVICE_ID", "cuda:0", "a CUDA device number such as 0, a GPU UUID, or cpu"),
        (
            "WHISPER_LANGUAGE",
            "english",
            "auto, each_window or a language code that Whisper knows, such as en, es or ja",
        ),
        ("AUDIO_STREAM", "first", "auto or the number of an audio stream, 0..99"),
        ("AUDIO_STREAM", "-1", "auto or the number of an audio stream, 0..99"),
        ("AUDIO_CHANNELS", "left", "one of mix, split"),
        ("WHISPER_INITIAL_PROMPT", "\udcff", "UTF-8 text"),
        ("WHISPER_HOTWORDS", "a, \udcff", "UTF-8 text"),
        ("WHISPER_TASK", "summarise", "one of transcribe, translate"),
        (
            "WHISPER_COMPUTE_TYPE",
            "int4",
            "one of auto, int8, int8_float16, int8_float32, float16, bfloat16, float32",
        ),
        ("WHISPER_BEAM_SIZE", "0", "1..20"),
        ("WHISPER_BATCH_SIZE", "many", "auto or 1..128"),
        ("WHISPER_BATCH_SIZE", "129", "auto or 1..128"),
        ("WHISPER_BATCH_SIZE", "0", "auto or 1..128"),
        ("PARTITION_BY", "year", "one of folder, day, month, hash"),
        ("PARTITION_COUNT", "10001", "1..10000"),
        ("RUN_MAX_AUDIO_S", "59", "a whole number from 60"),
        ("DAGSTER_PORT", "70000", "1..65535"),
    ],
)
def test_a_refusal_names_variable_value_and_remedy(name: str, value: str, must: str) -> None:
    assert refusal({name: value}) == f"{name} must be {must}, got {value!r}; see .env.example."


def test_values_are_checked_while_scaling_is_off() -> None:
    assert "GPU_SCALE_WORKERS" in refusal({"GPU_SCALE_ENABLED": "false", "GPU_SCALE_WORKERS": "0"})


@pytest.mark.parametrize("device", ["auto", "0", "2"])
def test_a_default_worker_on_a_scaled_device_is_a_contradiction(device: str) -> None:
    variables = {
        "GPU_SCALE_ENABLED": "true",
        "GPU_SCALE_DEFAULT_WORKER": "1",
        "GPU_SCALE_DEVICE_ID": "0,2",
        "GPU_DEVICE_ID": device,
    }
    said = refusal(variables)
    assert f"GPU_DEVICE_ID={device}" in said
    assert "GPU_SCALE_DEVICE_ID=0,2" in said


def test_a_default_worker_is_no_contradiction_while_scaling_is_off() -> None:
    assert settings_of(GPU_SCALE_DEFAULT_WORKER=1).gpu_scale_default_worker


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_value_is_the_default(name: str) -> None:
    assert load_settings({name: ""}, None) == Settings()


def test_numbers_may_have_spaces_around_and_switches_any_case() -> None:
    settings = settings_of(GPU_SCALE_WORKERS=" 3 ", GPU_SCALE_ENABLED="TRUE")
    assert (settings.gpu_scale_workers, settings.gpu_scale_enabled) == (3, True)


@PROPERTY
@given(
    st.sampled_from(VARIABLES),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1),
)
def test_any_value_is_taken_or_refused_in_one_sentence(name: str, value: str) -> None:
    outcome = settings_or_refusal({name: value})
    if isinstance(outcome, Settings):
        assert outcome.workspace.output.is_absolute()
    else:
        assert name in outcome
        assert repr(value) in outcome


def test_a_home_that_nobody_has_is_refused_in_one_sentence() -> None:
    with pytest.raises(SettingsError) as caught:
        _ = load_settings({"ARCHIVE_DIR": "~nobody-has-this-name/media"}, None).workspace.archive
    assert "ARCHIVE_DIR" in sentence(caught.value)


def test_the_process_environment_goes_before_the_file(tmp_path: Path) -> None:
    file = env_file_with(tmp_path, "GPU_SCALE_WORKERS=2\nWHISPER_BEAM_SIZE=1\n")
    settings = load_settings({"GPU_SCALE_WORKERS": "7"}, file)
    assert (settings.gpu_scale_workers, settings.whisper_beam_size) == (7, 1)


def test_a_file_that_is_not_there_is_no_mistake(tmp_path: Path) -> None:
    assert load_settings({}, tmp_path / ".env") == Settings()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("GPU_SCALE_WORKER", "GPU_SCALE_WORKERS"),
        ("WHISPER_LANG", "WHISPER_LANGUAGE"),
        ("PARTITION_DEPHT", "PARTITION_DEPTH"),
        ("ARCHIVE_DRI", "ARCHIVE_DIR"),
        ("OUTPUT_DIRR", "OUTPUT_DIR"),
        ("SHARD_AUDIO", "SHARD_AUDIO_S"),
    ],
)
def test_a_misspelt_variable_in_the_file_is_refused(
    tmp_path: Path, written: str, meant: str
) -> None:
    said = refusal({}, env_file_with(tmp_path, f"{written}=3\n"))
    assert said == f"{written} in .env is not a setting; did you mean {meant}?"


@pytest.mark.parametrize("line", ["this is no assignment", "GPU_SCALE_WORKERS", ": 3", "'"])
def test_a_line_that_is_no_assignment_is_refused(tmp_path: Path, line: str) -> None:
    file = env_file_with(tmp_path, f"# a comment\nTZ=UTC\n\n{line}\nWHISPER_BEAM_SIZE=1\n")
    said = refusal({}, file)
    assert said.startswith(f"Line 4 of {file} is no assignment: ")
    assert line in said
    assert said.endswith("; write NAME=value, or # before a comment.")


def test_other_programs_variables_in_the_file_are_left_alone(tmp_path: Path) -> None:
    file = env_file_with(tmp_path, "COMPOSE_PROJECT_NAME=media\nREDIS_PASSWORD=x\nTZ=UTC\n")
    assert load_settings({}, file) == Settings()


def test_a_file_from_windows_is_read_from_its_first_line(tmp_path: Path) -> None:
    file = env_file_with(tmp_path, b"\xef\xbb\xbfGPU_SCALE_WORKERS=2\r\nWHISPER_BEAM_SIZE=1\r\n")
    settings = load_settings({}, file)
    assert (settings.gpu_scale_workers, settings.whisper_beam_size) == (2, 1)


def test_a_file_that_is_not_utf8_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert ".env" in refusal({}, env_file_with(tmp_path, "ARCHIVE_DIR=/año".encode("latin-1")))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings_of().gpu_scale_workers = 9  # type: ignore[misc]


def test_one_slot_on_the_first_card_or_the_cpu() -> None:
    assert slot_names({}, CARDS) == [f"{UUIDS[0]}.slot-0"]
    assert slot_names({}, []) == ["cpu.slot-0"]
    assert slot_names({"GPU_DEVICE_ID": "2"}, CARDS) == [f"{UUIDS[2]}.slot-0"]
    assert slot_names({"GPU_DEVICE_ID": UUIDS[1]}, CARDS) == [f"{UUIDS[1]}.slot-0"]
    assert slot_names({"GPU_DEVICE_ID": "cpu"}, CARDS) == ["cpu.slot-0"]


def test_workers_are_per_device_of_a_list() -> None:
    variables = {
        "GPU_SCALE_ENABLED": "true",
        "GPU_SCALE_DEVICE_ID": "0, 2",
        "GPU_SCALE_WORKERS": 2,
    }
    expected = [f"{UUIDS[card]}.slot-{number}" for card in (0, 2) for number in (0, 1)]
    assert slot_names(variables, CARDS) == expected


def test_slots_on_the_cpu_are_asked_for_by_name() -> None:
    variables = {"GPU_SCALE_ENABLED": 1, "GPU_SCALE_DEVICE_ID": "cpu", "GPU_SCALE_WORKERS": 3}
    assert slot_names(variables, CARDS) == [f"cpu.slot-{number}" for number in range(3)]


def test_the_default_worker_is_one_slot_more() -> None:
    variables = {
        "GPU_SCALE_ENABLED": 1,
        "GPU_SCALE_DEVICE_ID": "1",
        "GPU_SCALE_WORKERS": 2,
        "GPU_SCALE_DEFAULT_WORKER": 1,
        "GPU_DEVICE_ID": "0",
    }
    names = [f"{UUIDS[1]}.slot-0", f"{UUIDS[1]}.slot-1", f"{UUIDS[0]}.slot-0"]
    assert slot_names(variables, CARDS) == names


def test_the_default_worker_may_not_be_the_scaled_card_by_another_name() -> None:
    variables = {
        "GPU_SCALE_ENABLED": 1,
        "GPU_SCALE_DEVICE_ID": "1",
        "GPU_SCALE_DEFAULT_WORKER": 1,
        "GPU_DEVICE_ID": UUIDS[1],
    }
    assert f"GPU_DEVICE_ID={UUIDS[1]}" in slots_refusal(variables, CARDS)


def test_one_card_by_two_names_is_refused() -> None:
    variables = {"GPU_SCALE_ENABLED": 1, "GPU_SCALE_DEVICE_ID": f"0,{UUIDS[0]}"}
    assert f"GPU_SCALE_DEVICE_ID=0,{UUIDS[0]}" in slots_refusal(variables, CARDS)


@pytest.mark.parametrize("device", ["3", "GPU-" + "f" * 36])
def test_a_card_that_is_not_there(device: str) -> None:
    variables = {"GPU_SCALE_ENABLED": 1, "GPU_SCALE_DEVICE_ID": device}
    said = slots_refusal(variables, CARDS)
    assert said == (
        f"GPU_SCALE_DEVICE_ID={device}, but the cards here are 0, 1, 2; set one of those."
    )


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"GPU_SCALE_ENABLED": 1}, "GPU_SCALE_DEVICE_ID"),
        ({"GPU_DEVICE_ID": "0"}, "GPU_DEVICE_ID"),
    ],
)
def test_without_any_card(variables: dict[str, object], name: str) -> None:
    said = slots_refusal(variables, [])
    assert said.startswith(f"{name}=0, but this machine has no CUDA card")
    assert said.endswith(f"set {name}=cpu for CPU slots.")


def test_the_device_is_not_looked_for_while_scaling_is_off() -> None:
    assert slot_names({"GPU_SCALE_DEVICE_ID": "7"}, []) == ["cpu.slot-0"]


@PROPERTY
@given(st.integers(1, 64))
def test_cpu_slots_share_the_cores(num_slots: int) -> None:
    alone = cpu_threads([WorkerSlot(CPU, 0)])
    threads = cpu_threads([WorkerSlot(CPU, number) for number in range(num_slots)])
    assert threads >= 1
    assert threads * num_slots <= max(alone, num_slots)


def test_two_archives_of_one_name_have_two_outputs(tmp_path: Path) -> None:
    one, two = tmp_path / "a" / "radio", tmp_path / "b" / "radio"
    slugs = {settings_of(ARCHIVE_DIR=path).workspace.slug for path in (one, two)}
    assert len(slugs) == 2
    assert all(slug.startswith("radio-") for slug in slugs)


def test_an_archive_keeps_its_slug_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "radio").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "radio").symlink_to(tmp_path / "radio")
    slugs = {
        settings_of(ARCHIVE_DIR=tmp_path / path).workspace.slug for path in ("radio", "here/radio")
    }
    assert len(slugs) == 1


def test_relative_folders_start_at_the_project() -> None:
    settings = settings_of(ARCHIVE_DIR="media", OUTPUT_DIR="tables", OPENTR_HOME="state")
    assert settings.workspace.archive == PROJECT_ROOT / "media"
    assert settings.workspace.output == PROJECT_ROOT / "tables"
    assert settings.workspace.models == PROJECT_ROOT / "state" / "models"
    assert PROJECT_ROOT / "state" in settings.workspace.dagster_home.parents


def test_state_is_found_under_its_older_name(tmp_path: Path) -> None:
    old = tmp_path / ".env"
    old.write_text("STATE_DIR=/old\n")
    assert load_settings({}, old).workspace.home == Path("/old")
    assert load_settings({"OPENTR_HOME": "auto"}, old).workspace.home == Path("/old")
    assert load_settings({"OPENTR_HOME": "/new"}, old).workspace.home == Path("/new")
    assert settings_of().workspace.home == PROJECT_ROOT / ".opentr"
