"""What fits on cards that exist nowhere, and on this machine; what is refused, and what is said."""

import itertools
import json
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from opentr_pipeline.cli.app import main
from opentr_pipeline.devices import cuda_libraries
from opentr_pipeline.devices.cards import Device, find_cards
from opentr_pipeline.devices.host_memory import HostMemory
from opentr_pipeline.devices.leases import has_loaded, lease
from opentr_pipeline.errors import ModelError, SettingsError
from opentr_pipeline.monitoring import doctor
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.recognition import budget
from opentr_pipeline.recognition.budget import Workers
from opentr_pipeline.recognition.models import Model
from opentr_pipeline.recognition.whisper.model import Whisper
from opentr_pipeline_tests.fake_nvml import UUIDS, FakeCard, FakeNvml
from opentr_pipeline_tests.making import OPTIONS, settings_of, wav

GB = 10**9


def a_card(free_gb: float, total_gb: float = 80.0, uuid: str = UUIDS[0]) -> FakeCard:
    return FakeCard(uuid, total_bytes=int(total_gb * GB), free_bytes=int(free_gb * GB))


def on(
    monkeypatch: pytest.MonkeyPatch, folder: Path, cards: list[FakeCard], **variables: object
) -> Workers:
    """The workers on these cards; scaling, large-v3-turbo."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(cards))
    usual = {
        "GPU_SCALE_ENABLED": 1,
        "WHISPER_MODEL": "large-v3-turbo",
        "WORKER_SLOTS_DIR": folder,
        "MODELS_DIR": folder,
    }
    return Setup(settings_of({**usual, **variables})).workers


@pytest.mark.parametrize(
    ("free_gb", "variables", "expected"),
    [
        (78.0, {}, (16, "fits")),
        (15.0, {}, (4, "fits")),
        (11.5, {}, (1, "tight")),
        (7.0, {}, (1, "does not fit")),
        (78.0, {"GPU_SCALE_WORKERS": 6}, (16, "more workers than useful")),
        (78.0, {"WHISPER_BATCH_SIZE": 128}, (128, "does not fit")),
        (30.0, {"WHISPER_BATCH_SIZE": 24}, (24, "tight")),
        (30.0, {"WHISPER_MODEL": "small"}, (16, "fits")),
    ],
)
def test_what_is_said_of_workers_on_a_card(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    free_gb: float,
    variables: dict[str, object],
    expected: tuple[int, str],
) -> None:
    (one,) = on(monkeypatch, tmp_path, [a_card(free_gb)], **variables).budgets()
    assert (one.batch_size, one.verdict) == expected


@pytest.mark.parametrize(("workers", "card_gb"), [(2, 12), (4, 24), (6, 48)])
def test_the_table_of_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workers: int, card_gb: int
) -> None:
    """It says that so many workers with large-v2 fit on such a card."""
    cards = [a_card(card_gb - 0.5, card_gb)]
    variables = {"WHISPER_MODEL": "large-v2", "GPU_SCALE_WORKERS": workers}
    on(monkeypatch, tmp_path, cards, **variables).check_fits()


def test_slots_that_are_held_have_their_memory_already(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else a second archive could not be started beside the first."""
    workers = on(monkeypatch, tmp_path, [a_card(free_gb=8.0, total_gb=24.0)])
    assert workers.budgets()[0].verdict != "fits"
    with (
        lease(workers.slots, tmp_path),
        lease(workers.slots, tmp_path),
        lease(workers.slots, tmp_path),
    ):
        assert workers.budgets()[0].room.free_bytes == 8 * GB  # nothing is loaded yet
        for slot in workers.slots[:3]:
            has_loaded(slot, workers.need_bytes(slot, 8), tmp_path)
        (one,) = workers.budgets()
        assert (one.verdict, one.batch_size) == ("fits", 10)
        assert one.room.free_bytes == pytest.approx(20.0 * GB, rel=0.01)
    with lease(workers.slots, tmp_path):  # who says nothing is not taken for the last holder
        assert workers.budgets()[0].room.free_bytes == 8 * GB


@pytest.mark.parametrize("num_workers", [2, 4, 8])
@pytest.mark.parametrize("free_gb", [8.0, 10.0, 13.0, 15.0, 23.0])
@pytest.mark.parametrize("loads", ["all of it", "after all have asked", "its weights"])
def test_workers_that_start_leave_the_others_what_was_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, num_workers: int, free_gb: float, loads: str
) -> None:
    """Neighbours have the rest of the card; ours take nothing from them, or from one another."""
    card = a_card(free_gb, total_gb=24.0)
    workers = on(monkeypatch, tmp_path, [card], GPU_SCALE_WORKERS=num_workers)
    (checked,) = workers.budgets()
    needs, sizes = [], []
    with ExitStack() as held:
        for _ in workers.slots:
            slot = held.enter_context(lease(workers.slots, tmp_path))
            sizes.append(workers.batch_size(slot))
            needs.append(workers.need_bytes(slot, sizes[-1]))
            if loads != "after all have asked":
                taken = sizes[-1] if loads == "all of it" else 0  # the first batch comes later
                card.free_bytes -= workers.need_bytes(slot, taken)
                has_loaded(slot, needs[-1], tmp_path)
    assert min(sizes) == sizes[0] == checked.batch_size
    assert loads == "its weights" or max(sizes) == checked.batch_size
    assert sum(needs) <= max(free_gb * GB, checked.needed_bytes or 0)


def test_a_worker_takes_no_more_than_a_neighbour_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    card = a_card(free_gb=20.0, total_gb=24.0)
    workers = on(monkeypatch, tmp_path, [card])
    with (
        lease(workers.slots, tmp_path),
        lease(workers.slots, tmp_path),
        lease(workers.slots, tmp_path),
    ):
        for slot in workers.slots[:3]:
            has_loaded(slot, workers.need_bytes(slot, 8), tmp_path)
        card.free_bytes = 2 * GB + 10**8
        assert workers.budgets()[0].batch_size == 3
        assert workers.batch_size(workers.slots[3]) == 1


def refusal(workers: Workers) -> str:
    with pytest.raises(SettingsError) as caught:
        workers.check_fits()
    said = str(caught.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


@pytest.mark.parametrize(
    ("free_gb", "variables", "remedy"),
    [
        (7.0, {}, "set GPU_SCALE_WORKERS=1 and WHISPER_BATCH_SIZE=16, which fits."),
        (7.5, {"WHISPER_MODEL": "auto"}, "set GPU_SCALE_WORKERS=1 and WHISPER_BATCH_SIZE=16,"),
        (12.0, {"WHISPER_BATCH_SIZE": 32}, "set GPU_SCALE_WORKERS=1 and WHISPER_BATCH_SIZE=32"),
        (30.0, {"WHISPER_BATCH_SIZE": 128}, "set GPU_SCALE_WORKERS=1 and WHISPER_BATCH_SIZE=128"),
        (3.0, {"GPU_SCALE_ENABLED": 0, "WHISPER_BATCH_SIZE": 8}, "set WHISPER_BATCH_SIZE=2,"),
        (1.5, {}, "not even one with batch size 1 fits: set WHISPER_MODEL=base or make room."),
        (0.5, {}, "not even one with batch size 1 fits: make room."),
    ],
)
def test_what_cannot_fit_is_refused_with_what_does(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    free_gb: float,
    variables: dict[str, object],
    remedy: str,
) -> None:
    cards = [a_card(free_gb)]
    said = refusal(on(monkeypatch, tmp_path, cards, **variables))
    assert "large-v3-turbo (int8_float16)" in said
    assert f"which has {free_gb} GB free; {remedy}" in said
    if "set " in remedy and "WHISPER_MODEL" not in remedy:
        named = dict(part.split("=") for part in remedy.strip(".").split() if "=" in part)
        better = {**variables, **{name: value.strip(",") for name, value in named.items()}}
        on(monkeypatch, tmp_path, cards, **better).check_fits()


def test_each_card_of_a_list_must_have_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cards = [a_card(78.0), a_card(2.0, uuid=UUIDS[1]), a_card(78.0, uuid=UUIDS[2])]
    on(monkeypatch, tmp_path, cards, GPU_SCALE_DEVICE_ID="0,2").check_fits()
    said = refusal(on(monkeypatch, tmp_path, cards, GPU_SCALE_DEVICE_ID="0,1"))
    assert "card 1 (NVIDIA L4, compute capability 8.9), which has 2.0 GB free" in said


def test_what_nobody_knows_is_not_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    untold = FakeCard(total_bytes=None)
    workers = on(monkeypatch, tmp_path, [untold])
    workers.check_fits()
    assert workers.budgets()[0].verdict == "unknown"
    workers = on(monkeypatch, tmp_path, [a_card(1.0)], WHISPER_MODEL="owner/unheard-of")
    workers.check_fits()
    assert workers.budgets()[0].verdict == "unknown"


@pytest.mark.parametrize(
    ("total_gb", "free_gb", "verdict"),
    [(64, 60, "fits"), (64, 2, "does not fit"), (1, 1, "refused")],
)
def test_on_a_cpu_only_what_is_surely_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, total_gb: int, free_gb: int, verdict: str
) -> None:
    """What is free now may grow: others end, files that are kept in memory give way."""
    monkeypatch.setattr(budget, "host_memory", lambda: HostMemory(total_gb * GB, free_gb * GB))
    monkeypatch.setattr("opentr_pipeline.devices.cards.num_cores", lambda: 4)
    variables = {"GPU_SCALE_DEVICE_ID": "cpu", "WHISPER_MODEL": "base"}
    workers = on(monkeypatch, tmp_path, [], **variables)
    if verdict == "refused":
        assert "on the CPU, which has 1.0 GB; set GPU_SCALE_WORKERS=1 and" in refusal(workers)
        return
    workers.check_fits()
    assert workers.budgets()[0].verdict == verdict


def test_more_cpu_workers_than_cores_are_not_useful(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(budget, "host_memory", lambda: HostMemory(64 * GB, 60 * GB))
    monkeypatch.setattr("opentr_pipeline.devices.cards.num_cores", lambda: 3)
    variables = {"GPU_SCALE_DEVICE_ID": "cpu", "WHISPER_MODEL": "base"}
    workers = on(monkeypatch, tmp_path, [], **variables)
    rows = budget.alternatives(workers.budgets(), workers.work)
    verdicts = {row.num_workers: row.verdict for row in rows}
    too_many = "more workers than useful"
    assert verdicts == {1: "fits", 2: "fits", 4: too_many, 6: too_many}
    assert workers.budgets()[0] in rows


@pytest.mark.parametrize(
    ("card", "variables", "batch_size"),
    [
        (a_card(70.0), {}, 16),
        (a_card(70.0), {"WHISPER_BATCH_SIZE": 3}, 3),
        (a_card(3.5), {"GPU_SCALE_WORKERS": 1}, 3),  # somebody else's program is on the card
        (a_card(15.0, 16.0), {}, 4),  # three more of ours may be about to load
        (a_card(0.1), {}, 1),
        (a_card(70.0), {"GPU_DEVICE_ID": "cpu", "GPU_SCALE_ENABLED": 0}, 6),
    ],
)
def test_the_batch_of_a_worker_that_is_about_to_load(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    card: FakeCard,
    variables: dict[str, object],
    batch_size: int,
) -> None:
    workers = on(monkeypatch, tmp_path, [card], **variables)
    assert workers.batch_size(workers.slots[0]) == batch_size


def test_a_card_without_its_libraries_is_refused_before_anything_is_heard(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once it came with the first batch, and cost every recording under way an attempt."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # given back at the end
    monkeypatch.setattr(cuda_libraries, "LIBRARIES", {"libnothing.so.12": "no-such-package"})
    model, card = Model("base", tmp_path, "0" * 64), Device("0", UUIDS[0], "A card")
    with pytest.raises(ModelError, match=r"libnothing\.so\.12 cannot be loaded"):
        Whisper(model, card, OPTIONS, cpu_threads=1)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive with one file and a card with little room."""
    wav(tmp_path / "archive" / "a" / "one.wav")
    for name in ("ARCHIVE", "STATE", "MODELS", "OUTPUT", "WORKER_SLOTS"):
        monkeypatch.setenv(f"{name}_DIR", str(tmp_path / name.lower()))
    for name in ("GPU_SCALE_ENABLED", "GPU_DEVICE_ID", "WHISPER_MODEL"):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    card = a_card(5.0, 24.0)
    card.compute = [(7, 19 * GB)]
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([card], {7: "/usr/bin/llm"}))
    return tmp_path


def asked(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    "command", [("start", "dev", "--gpu-scale"), ("reset", "dev", "--gpu-scale", "--yes")]
)
def test_start_refuses_what_cannot_fit(bare: Path, command: tuple[str, ...]) -> None:
    said = asked(*command, code=2)
    assert said.startswith("opentr: 4 workers with the model large-v3-turbo (int8_float16) and")
    assert said.endswith("set GPU_SCALE_WORKERS=1 and WHISPER_BATCH_SIZE=13, which fits.\n")
    assert said.count("\n") == 1
    assert not (bare / "state").exists()
    assert not (bare / "models").exists()


def test_run_refuses_it_where_the_variable_alone_scales(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_SCALE_ENABLED", "true")
    assert "opentr: 4 workers with" in asked("run", code=2)


@pytest.mark.parametrize("scaled_by", ["flag", "variable"])
def test_scaling_without_a_card_is_refused_in_one_sentence(
    bare: Path, monkeypatch: pytest.MonkeyPatch, scaled_by: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([]))
    monkeypatch.setenv("GPU_SCALE_ENABLED", "true" if scaled_by == "variable" else "false")
    flag = ["--gpu-scale"] if scaled_by == "flag" else []
    for command in (["start", "dev"], ["reset", "dev", "--yes"]):
        assert asked(*command, *flag, code=2) == (
            "opentr: GPU_SCALE_DEVICE_ID=0, but this machine has no CUDA card that we can use, and "
            "opentr doctor says why; set GPU_SCALE_DEVICE_ID=cpu for CPU slots.\n"
        )


def test_the_plan_shows_what_fits(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = asked("plan", "--model", "large-v2")
    assert "cores" not in said
    assert said.count("(as set)") == 1
    assert "card 0 (NVIDIA L4, compute capability 8.9): large-v2, int8_float16, beam size 5" in said
    assert "bench scaling measures the speed" in said
    facts = json.loads(asked("plan", "--json"))
    assert set(facts) == {"workload", "as_set", "rows", "lately", "speakers"}
    cells = {
        (row["num_workers"], row["batch_size"]): (row["needed_bytes"], row["verdict"])
        for row in facts["rows"]
    }
    assert cells[1, 8][1] == "fits"
    assert cells[2, 1][1] == "does not fit"
    assert cells[2, 8][1] == cells[6, 1][1] == "does not fit"
    assert facts["as_set"][0]["room"] == {"free_bytes": 5 * GB, "total_bytes": 24 * GB}
    assert "models fetch owner/new" in asked("plan", "--model", "owner/new", code=2)


def test_the_plan_speaks_of_no_card_where_there_is_none(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "host_memory", lambda: HostMemory(64 * GB, 60 * GB))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    said = asked("plan")
    assert "more than there are cores" in said
    assert "card" not in said
    assert "did you mean large?" in asked("plan", "--model", "lrage", code=2)


def test_the_plan_has_the_row_of_the_settings_while_memory_comes_and_goes(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = itertools.count(60 * GB, -GB)
    monkeypatch.setattr(budget, "host_memory", lambda: HostMemory(64 * GB, next(left)))
    monkeypatch.setenv("GPU_DEVICE_ID", "cpu")
    facts = json.loads(asked("plan", "--json"))
    assert (
        facts["as_set"][0].items()
        <= next(
            row for row in facts["rows"] if row["num_workers"] == 1 and row["batch_size"] == 6
        ).items()
    )


def doctors(code: int = 0) -> dict[str, tuple[bool, str]]:
    facts = json.loads(asked("doctor", "--json", code=code))
    assert facts["is_ok"] is (code == 0)
    return {check["name"]: (check["is_ok"], check["said"]) for check in facts["checks"]}


def test_the_doctor_says_what_is_wrong_with_a_card(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_SCALE_ENABLED", "true")
    monkeypatch.setattr(cuda_libraries, "LIBRARIES", {"libnothing.so.12": "no-such-package"})
    said = doctors(code=1)
    assert said["cards"] == (True, "1 card, driver 580.95.05")
    assert said["card 0"] == (
        True,
        f"NVIDIA L4, {UUIDS[0]}, compute capability 8.9, 5.0 GB of 24.0 GB free, 38 % busy, 61 °C; "
        "used by /usr/bin/llm (process 7, 19.0 GB)",
    )
    assert not said["libraries"][0]
    assert said["libraries"][1].startswith("The CUDA library libnothing.so.12 cannot be loaded")
    assert said["worker slots"][1].startswith("4 worker slots on card 0 (NVIDIA L4")
    assert not said["model"][0]
    assert not said["memory"][0]
    assert "GPU_SCALE_WORKERS=1" in said["memory"][1]


def test_the_doctor_says_why_there_is_no_card(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "host_memory", lambda: HostMemory(64 * GB, 60 * GB))
    monkeypatch.setitem(sys.modules, "pynvml", None)
    monkeypatch.setattr(cuda_libraries, "LIBRARIES", {"libnothing.so.12": "no-such-package"})
    monkeypatch.setattr(doctor, "DEVICE_FILES", bare)
    assert doctors(code=1)["cards"] == (True, "none in this machine; the CPU does the work")
    (bare / "nvidia0").touch()
    said = doctors(code=1)  # there is no model
    is_ok, cards = said["cards"]
    assert is_ok
    assert cards.startswith("none: the extra gpu is not installed (")
    assert cards.endswith("; the CPU does the work")
    assert said["libraries"][0]
    assert said["worker slots"] == (True, "1 worker slot on the CPU")
    assert said["memory"][0]
    assert {name for name, (is_ok, _) in said.items() if not is_ok} == {"model"}


@pytest.mark.parametrize(
    ("cuda", "said"),
    [
        (11_040, "The driver 580.95.05 supports CUDA 11.4, and CTranslate2 needs CUDA 12;"),
        (12_000, "1 card, driver 580.95.05"),
        (None, "1 card, driver 580.95.05"),
    ],
)
def test_the_doctor_notices_a_driver_that_is_too_old(
    bare: Path, monkeypatch: pytest.MonkeyPatch, cuda: int | None, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([a_card(5.0)], cuda=cuda))
    is_ok, cards = doctors(code=1)["cards"]  # there is no model
    assert cards.startswith(said)
    assert is_ok == (cuda != 11_040)


def test_the_doctor_says_that_numbers_are_not_clear(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = [a_card(5.0), FakeCard(UUIDS[1], "NVIDIA T4")]
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(cards))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    is_ok, said = doctors(code=1)["cards"]
    assert not is_ok
    assert said.startswith("CUDA_VISIBLE_DEVICES=1 may mean other cards")


@pytest.mark.parametrize(
    ("files", "variables", "is_said"),
    [
        (["nvidia0", "nvidiactl"], {}, True),
        (["nvidiactl", "null"], {}, False),
        (["nvidia0"], {"GPU_DEVICE_ID": "cpu"}, False),
        (["nvidia0"], {"GPU_SCALE_ENABLED": 1, "GPU_SCALE_DEVICE_ID": "cpu"}, False),
    ],
)
def test_a_card_that_nothing_can_use_is_not_passed_over_in_silence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    files: list[str],
    variables: dict[str, object],
    is_said: bool,
) -> None:
    for name in files:
        (tmp_path / name).touch()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    said = doctor.unused_card(settings_of(variables), find_cards(), tmp_path)
    start = "This machine has an NVIDIA card that is not used: the extra gpu is not installed ("
    assert (said or "").startswith(start) is is_said
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml([a_card(5.0)]))
    assert doctor.unused_card(settings_of(variables), find_cards(), tmp_path) is None


def test_the_doctor_sees_that_the_main_memory_is_used_by_others(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_DEVICE_ID", "cpu")
    monkeypatch.setattr(budget, "host_memory", lambda: HostMemory(64 * GB, GB // 2))
    is_ok, said = doctors(code=1)["memory"]
    assert not is_ok
    assert "of the 0.5 GB that are free on the CPU: does not fit; make room" in said


def test_the_doctor_works_where_settings_are_wrong(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_SCALE_WORKERS", "0")
    said = doctors(code=1)
    assert said["card 0"][0]
    assert said["settings"] == (
        False,
        "GPU_SCALE_WORKERS must be 1..64, got '0'; see .env.example.",
    )
