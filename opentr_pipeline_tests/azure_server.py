"""A real server of Azure's buckets on this machine, Azurite: it keeps everything in memory."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline_tests.bucket_server import started

if TYPE_CHECKING:
    from pyarrow.fs import AzureFileSystem

NO_AZURITE = "Azurite, an Azure server (npm install --global azurite)"
# Printed in Azurite's own documentation: a key of nobody's.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
OPTIONS = "--inMemoryPersistence --silent --skipApiVersionCheck --disableTelemetry".split()


@contextmanager
def azure_server() -> Iterator[str]:
    """The name and port of a server that nobody else on the network reaches."""
    if not (azurite := shutil.which("azurite-blob")):
        pytest.skip(NO_AZURITE)
    where = [azurite, "--blobHost", "127.0.0.1", *OPTIONS, "--blobPort"]
    with started(where, "Azurite") as port:
        yield f"127.0.0.1:{port}"


def environment(server: str) -> dict[str, str]:
    """What a person's environment would say, to reach it."""
    return {
        "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        "AZURE_STORAGE_ENDPOINT": f"http://{server}/{ACCOUNT}",
        "AZURE_ALLOW_HTTP": "true",
    }


def containers(server: str) -> "AzureFileSystem":
    """Its containers, as folders."""
    from pyarrow.fs import AzureFileSystem  # not in every build of Arrow

    return AzureFileSystem(
        ACCOUNT, account_key=KEY, blob_storage_authority=server, blob_storage_scheme="http"
    )


def new_container(server: str) -> BucketAddress:
    """A place in a container that is empty."""
    name = f"tapes-{uuid.uuid4().hex[:12]}"
    containers(server).create_dir(name)
    return BucketAddress(f"az://{name}/some/where")
