"""Where a process keeps what it may share with others."""

from pathlib import Path

import pytest

from opentr_pipeline.archive.recordings import ProbeMemory
from opentr_pipeline.archive.shared_probes import SharedProbes
from opentr_pipeline.errors import StoreError
from opentr_pipeline.planning.setup import Setup
from opentr_pipeline.postgres import Database
from opentr_pipeline_tests.making import settings_of

URL = "postgresql://opentr:secret@db.invalid/opentr"
CLUSTER = {"CLUSTER_ADDRESS": "http://head:8265"}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://opentr:secret@db:port:1/opentr",
        "postgresql://opentr:secret/more@db/opentr",
        "postgresql://opentr:secret%zz@db/opentr",
        "postgresql:/opentr:secret@db/opentr",
    ],
)
def test_no_password_is_said_of_an_address_that_makes_no_sense(url: str) -> None:
    pytest.importorskip("psycopg2")
    with pytest.raises(StoreError) as said, Database(url).transaction(""):
        pass
    assert "secret" not in str(said.value)
    assert "its address is not understood" in str(said.value)


@pytest.mark.parametrize(
    ("variables", "is_in_stack", "is_shared"),
    [
        ({}, False, False),
        ({"DAGSTER_POSTGRES_URL": URL}, False, True),
        ({"DAGSTER_POSTGRES_URL": URL}, True, False),  # one host: commands beside it use files
        ({"DAGSTER_POSTGRES_URL": URL, **CLUSTER}, True, True),
    ],
)
def test_several_hosts_share_state_and_one_does_not(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    is_in_stack: bool,
    is_shared: bool,
) -> None:
    pytest.importorskip("psycopg2")
    monkeypatch.setenv("OPENTR_IN_STACK", str(is_in_stack).lower())
    setup = Setup(settings_of(variables, OPENTR_HOME=tmp_path))
    assert (setup.database is not None) == is_shared
    assert setup.store.database is setup.database
    assert type(setup.probe_memory) is (SharedProbes if is_shared else ProbeMemory)
    assert "secret" not in repr(setup.database)
