"""What the page asks of its server, for tests that need no browser."""

import json
import socket
import urllib.request
from pathlib import Path
from typing import Any

from opentr_pipeline_tests.conftest import Project
from opentr_pipeline_tests.runs import transcribing_runs

# For PYTHONPATH: the daemon looks for backfills every two seconds.
TICKS = str(Path(__file__).parent / "ticks")

LAUNCH = """
mutation ($tags: [ExecutionTag!]!) {
  launchRun(executionParams: {
    selector: {
      repositoryLocationName: "opentr_pipeline.definitions", repositoryName: "__repository__",
      jobName: "__ASSET_JOB", assetSelection: [{path: ["recordings"]}, {path: ["transcripts"]}]
    },
    executionMetadata: {tags: $tags}
  }) { __typename ... on PythonError { message } }
}
"""
BACKFILL = """
mutation ($keys: [String!]!) { launchPartitionBackfill(backfillParams: {
  partitionNames: $keys, assetSelection: [{path: ["recordings"]}, {path: ["transcripts"]}]
}) { __typename ... on PythonError { message } } }
"""
TERMINATE = """
mutation ($run: String!) { terminateRun(runId: $run) {
  __typename ... on PythonError { message } ... on TerminateRunFailure { message }
} }
"""


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def ask(one: Project, query: str, **variables: Any) -> str:
    """Send a mutation; what it says it has done."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.environ['DAGSTER_PORT']}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
    assert "errors" not in said, said
    (done,) = said["data"].values()
    assert done["__typename"].endswith("Success"), done
    return str(done["__typename"])


def launch(one: Project, **tags: str) -> str:
    """Materialise both assets, as the page's button does."""
    named = [{"key": name.replace("__", "/"), "value": value} for name, value in tags.items()]
    return ask(one, LAUNCH, tags=named)


def backfill(one: Project, keys: list[str]) -> str:
    """Launch a backfill of both assets over some partitions."""
    return ask(one, BACKFILL, keys=keys)


def run_ids(one: Project, partition_key: str) -> list[str]:
    """The runs that transcribe one partition alone, latest first."""
    return [
        run.run_id
        for run in transcribing_runs(one.settings.workspace.dagster_home)
        if partition_key
        in (
            run.tags.get("dagster/partition"),
            run.tags.get("dagster/asset_partition_range_start"),
        )
    ]
