"""Which processes have their runs forked."""

import inspect
import sys
from types import ModuleType

import pytest
from dagster._grpc.server import DagsterApiServer

from opentr_pipeline.defs import forked_runs
from opentr_pipeline.steps.birth import PRELOAD_MODULES


@pytest.mark.parametrize(
    ("arguments", "is_in_stack", "has_preloaded", "forks"),
    [
        (["api", "grpc", "--socket", "/there"], False, False, True),
        (["api", "grpc", "--socket", "/there"], True, False, False),  # whose runs are containers
        (["api", "grpc", "--socket", "/there"], False, True, False),  # the server of forks itself
        (["api", "execute_run"], False, False, False),
        (["run"], False, False, False),
    ],
)
def test_a_code_server_that_starts_its_runs_forks_them(
    arguments: list[str],
    is_in_stack: bool,
    has_preloaded: bool,
    forks: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[None] = []
    monkeypatch.setattr(sys, "argv", ["dagster", *arguments])
    for name in PRELOAD_MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
        if has_preloaded:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(forked_runs, "is_in_stack", lambda: is_in_stack)
    monkeypatch.setattr(forked_runs, "start_server", lambda: started.append(None))
    monkeypatch.setattr(DagsterApiServer, "_mp_ctx", None, raising=False)  # put back afterwards
    forked_runs.fork_runs()
    server = DagsterApiServer.__new__(DagsterApiServer)
    server._mp_ctx = None  # as it says when it begins
    context = server._mp_ctx
    assert bool(started) == forks
    assert (context is not None and context.get_start_method() == "forkserver") == forks


def test_a_code_server_still_says_how_it_starts_runs_where_we_say_it() -> None:
    said = inspect.getsource(DagsterApiServer)
    assert "self._mp_ctx = " in inspect.getsource(DagsterApiServer.__init__)
    assert "self._mp_ctx.Process(" in said
