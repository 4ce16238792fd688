"""Which processes have their runs forked."""

import sys

import pytest
from dagster._grpc.server import DagsterApiServer

from opentr_pipeline.defs import forked_runs


@pytest.mark.parametrize(
    ("arguments", "is_in_stack", "forks"),
    [
        (["api", "grpc", "--socket", "/there"], False, True),
        (["api", "grpc", "--socket", "/there"], True, False),  # whose runs are containers
        (["api", "execute_run"], False, False),
        (["run"], False, False),
    ],
)
def test_a_code_server_that_starts_its_runs_forks_them(
    arguments: list[str], is_in_stack: bool, forks: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[None] = []
    monkeypatch.setattr(sys, "argv", ["dagster", *arguments])
    monkeypatch.setattr(forked_runs, "is_in_stack", lambda: is_in_stack)
    monkeypatch.setattr(forked_runs, "start_server", lambda: started.append(None))
    monkeypatch.setattr(DagsterApiServer, "_mp_ctx", None, raising=False)  # put back afterwards
    forked_runs.fork_runs()
    server = DagsterApiServer.__new__(DagsterApiServer)
    server.__dict__["_mp_ctx"] = None  # as it says when it begins
    context = server._mp_ctx
    assert bool(started) == forks
    assert (context is not None and context.get_start_method() == "forkserver") == forks
