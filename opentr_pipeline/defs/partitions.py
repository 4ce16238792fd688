"""The archive's partitions."""

from collections.abc import Iterable

from dagster import DagsterInstance, DynamicPartitionsDefinition
from sqlalchemy.exc import IntegrityError

archive_partitions = DynamicPartitionsDefinition(name="archive")


def register_partitions(instance: DagsterInstance, keys: Iterable[str]) -> None:
    """Add the partition keys that Dagster does not know yet."""
    name = str(archive_partitions.name)
    wanted = set(keys)
    while new := sorted(wanted - set(instance.get_dynamic_partitions(name))):
        try:
            instance.add_dynamic_partitions(name, new)
        except IntegrityError:
            continue  # another process has added one of them since we looked
