"""Cards as NVML shows them, through a stand-in for its bindings; no card is needed."""

import sys
from typing import Any

import pytest

from opentr_pipeline.devices import cards as devices
from opentr_pipeline.devices.cards import (
    CardProcess,
    Device,
    card_processes,
    card_state,
    find_cards,
    list_cards,
)
from opentr_pipeline.errors import SettingsError
from opentr_pipeline_tests.fake_nvml import (
    DRIVER_NOT_LOADED,
    UUIDS,
    FakeCard,
    FakeNvml,
    NVMLLibraryMismatchError,
)
from opentr_pipeline_tests.making import settings_of

CARDS = [FakeCard(uuid) for uuid in UUIDS]


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)


def install(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **more: Any) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(*arguments, **more))


@pytest.mark.parametrize("text", [str, str.encode])
def test_a_card_says_what_it_is(monkeypatch: pytest.MonkeyPatch, text: Any) -> None:
    """In text, or in bytes as older bindings do."""
    install(monkeypatch, [FakeCard()], text=text)
    found = find_cards()
    assert found.devices == [Device("0", UUIDS[0], "NVIDIA L4", 24 * 10**9, (8, 9))]
    assert (found.driver, found.why_none) == ("580.95.05", "")
    assert found.devices[0].description == "card 0 (NVIDIA L4, compute capability 8.9)"


def test_what_a_virtual_card_does_not_tell_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    card = FakeCard(
        total_bytes=None,
        capability=None,
        utilization_percent=None,
        temperature_c=None,
        compute=None,
        graphics=None,
    )
    install(monkeypatch, [card])
    assert list_cards() == [Device("0", UUIDS[0], "NVIDIA L4", 0, None)]
    assert card_state(UUIDS[0]) == devices.CardState(None, None, None, None)
    assert card_processes(UUIDS[0]) == []
    assert "unknown" in list_cards()[0].description


def test_who_uses_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that computes and draws is one; of a container's the name cannot be seen."""
    card = FakeCard(compute=[(7, 3 * 10**9), (8, None)], graphics=[(7, 3 * 10**9), (9, 10**9)])
    install(monkeypatch, [card], {7: "/usr/bin/llm", 9: "/usr/bin/Xorg"})
    state = card_state(UUIDS[0])
    assert state
    assert (state.free_bytes, state.used_bytes) == (20 * 10**9, 4 * 10**9)
    assert (state.utilization_percent, state.temperature_c) == (38, 61)
    assert card_processes(UUIDS[0]) == [
        CardProcess(7, "/usr/bin/llm", 3 * 10**9),
        CardProcess(9, "/usr/bin/Xorg", 10**9),
        CardProcess(8, "", None),
    ]


def test_an_older_driver_may_not_say_who_uses_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lacks the calls that newer bindings make, which have an error of their own for that."""
    install(monkeypatch, [FakeCard(compute=[(7, 3 * 10**9)], graphics=[(9, 10**9)])])

    def lacking(*arguments: Any) -> Any:
        raise NVMLLibraryMismatchError

    monkeypatch.setattr(sys.modules["pynvml"], "nvmlDeviceGetComputeRunningProcesses", lacking)
    assert [one.pid for one in card_processes(UUIDS[0])] == [9]


def test_what_is_sampled_asks_for_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, [FakeCard()])
    for kind in ("Compute", "Graphics"):
        monkeypatch.delattr(FakeNvml, f"nvmlDeviceGet{kind}RunningProcesses")
    assert card_state(UUIDS[0])


def test_a_card_that_is_gone_has_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, [FakeCard(is_lost=True)])
    for uuid in UUIDS[:2]:
        assert card_state(uuid) is None
        assert card_processes(uuid) == []


def test_a_lost_card_keeps_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, [FakeCard(UUIDS[0], is_lost=True), FakeCard(UUIDS[1])])
    assert [(card.number, card.uuid) for card in list_cards()] == [("1", UUIDS[1])]


def test_why_there_is_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find_cards().why_none.startswith("the extra gpu is not installed (.venv/bin/pip install")
    assert card_state(UUIDS[0]) is None
    install(monkeypatch, fails_with=DRIVER_NOT_LOADED)
    said = "there is no NVIDIA driver that answers (Driver Not Loaded)"
    assert (find_cards().devices, find_cards().why_none) == ([], said)
    assert card_state(UUIDS[0]) is None
    install(monkeypatch, [])
    assert find_cards().why_none == "the driver shows no card"


@pytest.mark.parametrize(
    ("said", "seen"),
    [
        ("0,1,2", [0, 1, 2]),
        ("2,0", [2, 0]),
        ("1", [1]),
        (" 2 , 1 ", [2, 1]),
        (UUIDS[2], [2]),
        ("GPU-b", [1]),
        (f"GPU-C,{UUIDS[0]},1", [2, 0, 1]),
        # What stands after a name that fits no card, or fits several, is not seen either.
        ("0,2,-1,1", [0, 2]),
        ("0,7,1", [0]),
        ("1,GPU-,0", [1]),
        ("0,0,1", [0]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("MIG-3f2b", []),
    ],
)
def test_cuda_visible_devices_chooses_and_numbers_the_cards(
    monkeypatch: pytest.MonkeyPatch, said: str, seen: list[int]
) -> None:
    install(monkeypatch, CARDS)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    found = find_cards()
    assert [card.uuid for card in found.devices] == [UUIDS[number] for number in seen]
    assert [card.number for card in found.devices] == [str(number) for number in range(len(seen))]
    why_none = "" if seen else f"CUDA_VISIBLE_DEVICES={said} shows none of the 3 here"
    assert found.why_none == why_none


@pytest.mark.parametrize(
    ("visible", "order", "names", "is_clear"),
    [
        ("1", "", ["H100", "RTX 4090"], False),
        (f"{UUIDS[0]},1", "FASTEST_FIRST", ["H100", "RTX 4090"], False),
        ("1", "PCI_BUS_ID", ["H100", "RTX 4090"], True),
        ("1", "", ["H100", "H100"], True),
        (UUIDS[1], "", ["H100", "RTX 4090"], True),
        ("", "", ["H100", "RTX 4090"], True),
        ("-1", "", ["H100", "RTX 4090"], True),
    ],
)
def test_numbers_that_cuda_may_take_for_other_cards_are_refused(
    monkeypatch: pytest.MonkeyPatch, visible: str, order: str, names: list[str], is_clear: bool
) -> None:
    install(monkeypatch, [FakeCard(*one) for one in zip(UUIDS, names, strict=False)])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("CUDA_DEVICE_ORDER", order)
    if is_clear:
        find_cards()
        return
    with pytest.raises(SettingsError) as caught:
        find_cards()
    said = str(caught.value)
    assert said.startswith(f"CUDA_VISIBLE_DEVICES={visible} may mean other cards to CUDA than")
    assert said.endswith(f"by UUID: {UUIDS[0]} (H100), {UUIDS[1]} (RTX 4090).")


def slot_name(
    monkeypatch: pytest.MonkeyPatch, cards: list[FakeCard], visible: str, id_: str
) -> str:
    install(monkeypatch, cards)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    variables = {"GPU_SCALE_ENABLED": 1, "GPU_SCALE_DEVICE_ID": id_, "GPU_SCALE_WORKERS": 1}
    (slot,) = devices.worker_slots(settings_of(variables), list_cards())
    return slot.name


def test_one_card_has_one_slot_file_wherever_it_is_seen_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By number, by UUID, through CUDA's variable, and alone in a container as its number 0."""
    seen_from = [
        (CARDS, "", "2"),
        (CARDS, "", UUIDS[2]),
        (CARDS, "", UUIDS[2].upper()),
        (CARDS, "2", "0"),
        (CARDS, "1,2", "1"),
        (CARDS, "GPU-c,0", "0"),
        ([CARDS[2]], "", "0"),
        ([CARDS[2]], "", UUIDS[2]),
    ]
    names = {slot_name(monkeypatch, *place) for place in seen_from}
    assert names == {f"{UUIDS[2]}.slot-0"}
