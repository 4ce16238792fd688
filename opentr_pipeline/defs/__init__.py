"""The Dagster shell: one file per Dagster concept; it decides nothing."""
