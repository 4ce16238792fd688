"""The archive's partitions."""

from dagster import DynamicPartitionsDefinition

archive_partitions = DynamicPartitionsDefinition(name="archive")
