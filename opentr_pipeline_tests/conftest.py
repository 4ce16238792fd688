"""Fixtures, the strict mode, and the last line that says what was left out."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from opentr_pipeline.errors import ModelError
from opentr_pipeline.recognition import fetching
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.environment import Settings, load_settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts.store import TranscriptStore
from opentr_pipeline_tests.azure_server import NO_AZURITE, azure_server, environment
from opentr_pipeline_tests.bucket_server import CREDENTIALS, Between, bucket_server, new_bucket

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# ``record_property("figures", "a line")`` shows a line at the end, whatever process measured it.
RecordProperty = Callable[[str, object], None]
# What is beside the checkout of those who work on the project, and cannot be had elsewhere.
HANDED_CASES = "the handed cases (../shared/cases), which are in no repository"
# With CUDA's libraries it is larger than all else together.
PYTORCH = "PyTorch, which the extra gpu brings; a build for CPUs is enough"
STRICT = os.environ.get("OPENTR_TEST_STRICT") == "1"
# However the tests were called, messages name commands in one way.
os.environ.pop("OPENTR_COMMAND", None)
_left_out: set[str] = set()
_figures: list[str] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where everything can be had, a skip is a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.skipped and STRICT and _reason(report) not in (HANDED_CASES, PYTORCH, NO_AZURITE):
        why = f"OPENTR_TEST_STRICT=1 and skipped: {_reason(report)}"
        report.outcome, report.longrepr = "failed", why


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember skips and figures, in the process that hears of all tests."""
    if report.skipped:
        _left_out.add(_reason(report))
    if report.when == "call":
        _figures.extend(str(said) for name, said in report.user_properties if name == "figures")


def _reason(report: pytest.TestReport) -> str:
    return str(report.longrepr[2]).removeprefix("Skipped: ")  # type: ignore[index]


def pytest_unconfigure(config: pytest.Config) -> None:
    """What was measured, and the last line of a run."""
    if not hasattr(config, "workerinput"):  # else one of several processes that test
        print("".join(f"\n{said}" for said in _figures))
        print(f"Left out: {'; '.join(sorted(_left_out)) or 'nothing'}.")


@pytest.fixture(scope="session")
def models_root() -> Path:
    """The project's own models folder, with ``base`` in it."""
    root = load_settings({}, None).workspace.models
    try:
        fetching.fetch("base", root)
    except ModelError as error:
        pytest.skip(f"the model base ({error})")
    return root


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium: in a container, as root, without a card, asking nobody for anything."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium (on Debian: apt-get install chromium)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield started
        started.close()


class Project:
    """An archive with state and output of its own, driven by real processes."""

    def __init__(self, folder: Path, archive: Path, **variables: str) -> None:
        self.folder = folder
        # Every variable is set, so that a person's .env does not reach the tests.
        defaults = {n.upper(): str(f.default) for n, f in Settings.model_fields.items()}
        self.environ = {
            **os.environ,
            **{
                name: value.lower() if value in ("True", "False") else value
                for name, value in defaults.items()
            },
            "ARCHIVE_DIR": str(archive),
            "OUTPUT_DIR": str(folder / "output"),
            "OPENTR_HOME": str(folder / "state"),
            "MODELS_DIR": str(load_settings({}, None).workspace.models),
            "WORKER_SLOTS_DIR": str(folder / "slots"),
            # The sensor takes nothing by itself in tests that are not about it.
            "UPLOAD_SETTLE_S": "86400",
            **variables,
        }
        self.archive = archive

    @property
    def settings(self) -> Settings:
        return load_settings(self.environ, None)

    @property
    def store(self) -> TranscriptStore:
        return TranscriptStore(self.settings.workspace.output)

    def start(self, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "opentr_pipeline.cli.app", *arguments],
            cwd=PROJECT_ROOT,
            env={**self.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def opentr(self, *arguments: str, code: int = 0, **variables: str) -> str:
        """Run a command to its end; its output, both streams."""
        process = self.start(*arguments, **variables)
        out, err = process.communicate(timeout=500)
        assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return out + err

    def serve(self, *options: str, **variables: str) -> str:
        """Start the services, without runs of ``refreshes`` beside what a test is about."""
        self.opentr("dagster", "sensor", "stop", "refreshes")
        return self.opentr("start", "dev", *options, **variables)

    def rows(self, table: str) -> list[dict[str, object]]:
        read: pa.Table = self.store.read(table)
        return read.to_pylist()

    def kept_times(self) -> dict[str, object]:
        """When each content that is kept but not published was transcribed."""
        found = {}
        for path in self.store.inner.glob("checkpoints/*/*.json"):
            with contextlib.suppress(FileNotFoundError):  # published meanwhile
                kept = json.loads(path.read_text())
                found[kept["media_fingerprint"]] = datetime.fromisoformat(kept["transcribed_at"])
        return found

    def transcripts(self) -> dict[str, dict[str, object]]:
        """The transcripts' rows by path."""
        return {str(row["path"]): row for row in self.rows("transcripts")}


@pytest.fixture
def project(tmp_path: Path, models_root: Path) -> Callable[..., Project]:
    """Makes projects in the test's own folder, the model at hand."""

    def make(archive: Path, **variables: str) -> Project:
        return Project(tmp_path, archive, **variables)

    return make


def wait_for(condition: Callable[[], object], timeout_s: float = 300.0) -> None:
    """Wait until something holds, and fail where it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def _bucket_server() -> Iterator[str]:
    with bucket_server() as address:
        yield address


@pytest.fixture
def buckets(_bucket_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a real server of buckets, which this process may use."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return _bucket_server


@pytest.fixture
def between(buckets: str) -> Between:
    """Who stands before that server, and may hinder what is asked."""
    return Between(buckets)


@pytest.fixture
def address(between: Between) -> Iterator[BucketAddress]:
    """Of an empty place in a bucket; what asks there goes through ``between``."""
    with between.running() as endpoint:
        yield BucketAddress(f"s3://{new_bucket(between.server)}/some/where", endpoint)


@pytest.fixture(scope="session")
def _azure_server() -> Iterator[str]:
    with azure_server() as server:
        yield server


@pytest.fixture
def azure(_azure_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name and port of a real server of Azure's buckets, which this process may use."""
    for name, value in environment(_azure_server).items():
        monkeypatch.setenv(name, value)
    return _azure_server
