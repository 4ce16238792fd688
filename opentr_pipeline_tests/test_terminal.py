"""What reaches terminals and logs of names that others gave."""

import io
import logging
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from opentr_pipeline import terminal
from opentr_pipeline.errors import MediaError, SettingsError
from opentr_pipeline.wording import path_of, readable, visible
from opentr_pipeline_tests.making import PROPERTY

# A title of the window, red, the C1 form of the same, a line of its own, text turned round.
EVIL = "a\x1b]0;gone\x07\x1b[31m\x9b31m\nWRONG\r\u202egnp.wav"
SHOWN = "a\\x1b]0;gone\\x07\\x1b[31m\\u009b31m\\x0aWRONG\\x0d\\u202egnp.wav"
# Of names that could be taken for others.
PARTS = [b"\\", b"\\xe9", b"\xe9", b"\\u202e", b"\n", b"\\x5c"]
# What a terminal or a reader of logs takes for more than a letter.
DRIVING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def test_names_are_shown_as_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say(EVIL)
    terminal.complain(SettingsError(f"{EVIL} is not there."))
    said = capsys.readouterr()
    assert said.out == f"{SHOWN}\n"
    assert said.err == f"opentr: {SHOWN} is not there.\n"
    assert str(MediaError("corrupt", EVIL)) == SHOWN


def test_tables_keep_their_colours_and_names_drive_nothing() -> None:
    stream = io.StringIO()
    console = terminal.console(stream)
    console._force_terminal, console._color_system = True, console._detect_color_system()
    table = Table("name")
    table.add_row(Text(EVIL.replace("\n", ""), style="bold"))
    console.print(table)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert not DRIVING.search(shown.replace("\n", ""))


def test_a_log_has_a_line_for_each_message() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(terminal.LineFormatter("%(message)s"))
    log = logging.Logger("names")
    log.addHandler(handler)
    try:
        raise ValueError(EVIL)
    except ValueError:
        log.exception("%s", EVIL)
    first, *rest = stream.getvalue().splitlines()
    assert first == SHOWN
    assert not DRIVING.search("".join(rest))


@PROPERTY
@given(
    st.lists(st.one_of(st.sampled_from([b"\\", b"\\xe9", b"\xe9", b"\\u202e", b"\n"]), st.binary()))
)
def test_every_path_can_be_had_back(parts: list[bytes]) -> None:
    """So no two of them are shown alike."""
    path = os.fsdecode(b"".join(parts))
    shown = readable(path)
    assert path_of(shown) == path
    assert not DRIVING.search(shown)
    assert shown.encode().decode() == visible(shown) == shown


@pytest.mark.parametrize(
    "name", ["caf\u00e9 1.wav", "a\\b.wav", "\\xg.wav", "\u0627\u200d.mp3", "1 - 2.m4a"]
)
def test_ordinary_names_stay(name: str) -> None:
    assert readable(name) == name
