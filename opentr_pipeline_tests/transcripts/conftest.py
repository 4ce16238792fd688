"""The places in which state is kept: files, and for several hosts a real PostgreSQL."""

import uuid
from collections.abc import Iterator

import pytest

from opentr_pipeline.postgres import Database
from opentr_pipeline.transcripts import shared_notes
from opentr_pipeline_tests.postgres import running_postgres

BOTH = pytest.mark.parametrize(
    "database", ["files", pytest.param("postgres", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with running_postgres() as url:
        yield url


@pytest.fixture
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Database | None:
    """A fresh one, or None for files; nothing of this process is renewed by itself."""
    monkeypatch.setattr(shared_notes, "_renewing", lambda url: None)
    if request.param == "files":
        return None
    import psycopg2

    url, name = request.getfixturevalue("postgres_url"), f"d{uuid.uuid4().hex}"
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return Database(url.replace("/postgres", f"/{name}"))
