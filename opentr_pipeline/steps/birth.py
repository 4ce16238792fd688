"""What a step's process is born with: named here, so that it can begin before Dagster is there."""

PRELOAD_MODULES = ["opentr_pipeline.launching.preload"]
