"""Where things are read and kept, in a checkout and without one."""

from pathlib import Path

import pytest

from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings import installation
from opentr_pipeline.settings.environment import load_settings
from opentr_pipeline.settings.folder_file import folder_file
from opentr_pipeline.settings.installation import PROJECT_ROOT


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As if the package were installed, and called in a folder of somebody's."""
    monkeypatch.setattr(installation, "PROJECT_ROOT", tmp_path / "site-packages")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_without_a_checkout_all_starts_where_it_is_called(installed: Path) -> None:
    (installed / ".env").write_text("ARCHIVE_DIR=tapes\nWHISPER_MODEL=models/mine\n")
    workspace = load_settings({}).workspace
    assert workspace.archive == installed / "tapes"
    assert workspace.output.parent == installed / "output"
    assert workspace.home == installed.parent / "data" / "opentr"
    assert workspace.models == workspace.home / "models"


def test_options_for_folders_are_the_archives_own_else_those_of_the_call(installed: Path) -> None:
    settings = load_settings({"ARCHIVE_DIR": "tapes"})
    (installed / "tapes").mkdir()
    assert folder_file(settings) is None
    for place in (installed, installed / "tapes"):
        (place / "opentr.toml").touch()
        assert folder_file(settings) == place / "opentr.toml"
    named = load_settings({"ARCHIVE_DIR": "tapes", "FOLDER_OPTIONS_FILE": "other.toml"})
    assert folder_file(named) == installed / "other.toml"


@pytest.mark.parametrize("data_home", [None, "", "relative"])
def test_the_usual_data_folder(
    installed: Path, monkeypatch: pytest.MonkeyPatch, data_home: str | None
) -> None:
    monkeypatch.setenv("HOME", str(installed))
    assert installation.usual_home(data_home) == installed / ".local" / "share" / "opentr"


def test_in_a_checkout_all_starts_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert installation.call_folder() == PROJECT_ROOT
    assert installation.usual_home("/data") == PROJECT_ROOT / ".opentr"


def test_a_folder_that_is_gone_is_a_sentence(installed: Path) -> None:
    installed.rmdir()
    with pytest.raises(SettingsError, match="is gone"):
        installation.call_folder()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, name) for name in ("dagster.yaml", "workspace.yaml", "docker", "pyproject.toml")),
        ("env.example", ".env.example"),
        ("samples/archive", "samples/archive"),
    ],
)
def test_what_comes_with_the_program_is_the_files_of_the_checkout(name: str, place: str) -> None:
    assert installation.stock(name) == PROJECT_ROOT / place
    assert installation.stock(name).exists()
