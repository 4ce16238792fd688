"""Copies a folder into a bucket, or a bucket into a folder: python -m ... SOURCE TARGET ENDPOINT.

A program of its own, for a machine that reaches the server where the test does not.
"""

import contextlib
import sys
import time
import urllib.error
from pathlib import Path

import obstore

from opentr_pipeline.archive.objects import object_store
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline_tests.bucket_server import START_TIMEOUT_S, ask


def fill(source: Path, target: BucketAddress) -> None:
    """Into a bucket, which is made where it is not there; the server may be starting."""
    bucket, until = target.url.split("/")[2], time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            ask(target.endpoint, "PUT", bucket)
            break
        except urllib.error.HTTPError:  # it is there
            break
        except OSError:
            assert time.monotonic() < until, "moto does not answer"
            time.sleep(0.2)
    for path in source.rglob("*"):
        if path.is_file():
            obstore.put(object_store(target), str(path.relative_to(source)), path)


def fetch(source: BucketAddress, target: Path) -> None:
    """Into a folder."""
    store = object_store(source)
    for page in obstore.list(store):
        for one in page:
            path = target / one["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # replaced meanwhile
                path.write_bytes(obstore.get(store, one["path"]).bytes())


if __name__ == "__main__":
    begins, ends, endpoint = sys.argv[1:]
    if "://" in ends:
        fill(Path(begins), BucketAddress(ends, endpoint))
    else:
        fetch(BucketAddress(begins, endpoint), Path(ends))
