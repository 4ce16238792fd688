"""The archive's partitions, as Dagster keeps them."""

from collections.abc import Iterable

from dagster import DagsterInstance
from sqlalchemy.exc import IntegrityError

from opentr_pipeline.defs.names import Names


def registered(instance: DagsterInstance, names: Names) -> list[str]:
    """The partition keys that Dagster knows, in its order."""
    return list(instance.get_dynamic_partitions(str(names.partitions.name)))


def register_partitions(instance: DagsterInstance, keys: Iterable[str], names: Names) -> None:
    """Add the partition keys that Dagster does not know yet."""
    wanted = set(keys)
    while new := sorted(wanted - set(registered(instance, names))):
        try:
            instance.add_dynamic_partitions(str(names.partitions.name), new)
        except IntegrityError:
            continue  # another process has added one of them since we looked
