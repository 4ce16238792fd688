"""What the definitions of one archive are called, so that several fit into one code location."""

from dataclasses import dataclass

from dagster import AssetKey, DynamicPartitionsDefinition


@dataclass(frozen=True)
class Names:
    """The names of one archive's definitions.

    Dagster wants the names of ops, jobs, sensors, schedules, resources and partitions definitions
    to differ within a code location, and asset keys within an instance.

    Attributes:
        key_prefix: stands before every name; empty where an archive has a Dagster of its own.
    """

    key_prefix: tuple[str, ...] = ()

    def key(self, asset: str) -> AssetKey:
        """The key of an asset."""
        return AssetKey([*self.key_prefix, asset])

    def name(self, usual: str) -> str:
        """The name of whatever else there is: ``tapes__uploads`` of ``uploads``."""
        return self.key(usual).to_python_identifier()

    @property
    def partitions(self) -> DynamicPartitionsDefinition:
        """The archive's partitions."""
        return DynamicPartitionsDefinition(name=self.name("archive"))
