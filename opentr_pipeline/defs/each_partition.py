"""What an asset made from transcripts says of the partitions of its run."""

from collections.abc import Callable, Iterator
from typing import Any

from dagster import AssetExecutionContext, AssetMaterialization, Failure, MaterializeResult

from opentr_pipeline.defs.metadata import Metadata
from opentr_pipeline.errors import OpentrError

MAX_SENTENCES = 5


def each_partition(
    context: AssetExecutionContext,
    made: Callable[[str], Metadata],
    last_act: Callable[[], object] = lambda: None,
) -> Iterator[MaterializeResult[Any]]:
    """Make the partitions of a run one by one; one that cannot be made costs the others nothing.

    Where some cannot, the others are materialised all the same: their events are logged one by
    one, no result is yielded (it would mark every partition), and the step fails.

    Args:
        context: of the step.
        made: makes a partition, and gives what the page is to show of it.
        last_act: called when all of them have been tried.

    Raises:
        Failure: something could not be made; never tried again, it would fail again.
    """
    facts: dict[str, Metadata] = {}
    sentences: dict[str, None] = {}  # a full disk would say the same of each
    for key in context.partition_keys:
        try:
            facts[key] = made(key)
        except OpentrError as error:
            sentences[str(error)] = None
    try:
        last_act()
    except OpentrError as error:
        sentences[str(error)] = None
    for key, values in facts.items():
        if sentences:
            one = AssetMaterialization(context.asset_key, partition=key, metadata=values)
            context.log_event(one)
        else:
            context.add_asset_metadata(values, partition_key=key)
    if sentences:
        raise _incomplete(len(context.partition_keys) - len(facts), list(sentences))
    yield MaterializeResult()


def _incomplete(num_missing: int, sentences: list[str]) -> Failure:
    shown = " ".join(sentences[:MAX_SENTENCES]) + (" ..." if sentences[MAX_SENTENCES:] else "")
    said = f"{num_missing} of the run's partitions could not be made. " if num_missing else ""
    return Failure(said + shown, allow_retries=False)
