"""The wheel: built, installed in an environment of its own, used in a folder of its own."""

import os
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline_tests.page_api import free_port
from opentr_pipeline_tests.runs import SAMPLES

pytestmark = pytest.mark.slow
# What a clone of the project does not have.
NOT_CLONED = (
    *(".git", ".venv*", ".env", ".opentr", ".hypothesis"),
    *(".*_cache", "__pycache__", "*.egg-info"),
)
NOT_CLONED_TOP = ("output", "site", "build")


def not_cloned(folder: str, names: list[str]) -> set[str]:
    top = NOT_CLONED_TOP if Path(folder) == PROJECT_ROOT else ()
    return shutil.ignore_patterns(*NOT_CLONED, *top)(folder, names)


def pip(python: str | Path, *arguments: str | Path) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the package registry ({done.stderr.strip().splitlines()[-1]})")


class Installed:
    """The program as somebody installed it, called in a folder that holds an archive."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder, self.home = folder / "work", folder / "data" / "opentr"
        self.bin = folder / "venv" / "bin"
        ours = {*(name.upper() for name in Settings.model_fields), "PYTHONPATH", "VIRTUAL_ENV"}
        self.environ = {name: said for name, said in os.environ.items() if name not in ours}
        self.environ |= {"XDG_DATA_HOME": str(folder / "data")}
        shutil.copytree(SAMPLES, self.folder / "archive")
        self.port = free_port()
        (self.folder / ".env").write_text(
            f"ARCHIVE_DIR=archive\nMODELS_DIR={models}\nWORKER_SLOTS_DIR={folder / 'slots'}\n"
            f"WHISPER_MODEL=base\nGPU_DEVICE_ID=cpu\nDAGSTER_PORT={self.port}\n"
        )

    def opentr(self, *arguments: str, code: int = 0, folder: Path | None = None) -> str:
        done = subprocess.run(
            [self.bin / "opentr", *arguments],
            cwd=folder or self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing of a build stays in the checkout."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(PROJECT_ROOT, folder / "source", symlinks=True, ignore=not_cloned)
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, folder / "source")
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, models_root: Path
) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    pip(folder / "venv" / "bin" / "python", "install", wheel)
    return Installed(folder, models_root)


def test_the_wheel_has_what_stands_at_the_top_of_a_checkout(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        for name in ("dagster.yaml", "workspace.yaml", "docker/docker-compose.yml"):
            assert (
                packed.read(f"opentr_pipeline/stock/{name}") == (PROJECT_ROOT / name).read_bytes()
            )
    media = {str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*") if path.is_file()}
    assert {f"opentr_pipeline/stock/samples/archive/{name}" for name in media} <= names
    assert {"opentr_pipeline/py.typed", "opentr_pipeline/stock/env.example"} <= names
    tops = {name.split("/")[0].removesuffix(".dist-info").split("-")[0] for name in names}
    assert tops == {"opentr_pipeline"}


def test_an_archive_is_transcribed_without_a_checkout(installed: Installed) -> None:
    assert "18 media files in" in installed.opentr("scan", "./archive")
    said = installed.opentr("run", "./archive")
    assert "18 of 18 recordings" in said
    assert "./opentr.sh" not in said
    (output,) = (installed.folder / "output").iterdir()
    assert {"recordings", "transcripts", "segments", "words"} <= {p.name for p in output.iterdir()}
    assert {path.name for path in installed.home.iterdir()} == {"archives", "probes.sqlite"}
    assert {path.name for path in installed.folder.iterdir()} == {".env", "archive", "output"}
    assert "lighthouse" in installed.opentr("search", "archive", "lighthouse")


def test_the_page_is_served_without_a_checkout(installed: Installed) -> None:
    assert "opentr stop ends it" in installed.opentr("start", "dev")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{installed.port}/", timeout=30) as page:
            assert b"Dagster" in page.read()
        assert f"http://127.0.0.1:{installed.port}" in installed.opentr("status")
        assert "loaded" in installed.opentr("health")
    finally:
        assert "Stopped dev." in installed.opentr("stop")


def test_dagsters_own_commands_find_the_code_location(installed: Installed) -> None:
    assert "transcripts" in installed.opentr("dagster", "asset", "list").split()


@pytest.mark.parametrize("name", ["test", "docs"])
def test_what_needs_a_checkout_says_so(installed: Installed, name: str) -> None:
    said = installed.opentr(name, code=2)
    assert said == f"opentr: {name} works in a checkout of opentr_pipeline alone; call it there.\n"


def test_another_folder_is_told_where_the_tables_are(installed: Installed, tmp_path: Path) -> None:
    archive = installed.folder / "archive"
    said = installed.opentr("scan", str(archive), code=2, folder=tmp_path)
    assert f"opentr: The tables of {archive} are in {installed.folder / 'output'}" in said
