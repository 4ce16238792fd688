"""Transcribes media archives into Parquet: a Dagster pipeline around Whisper."""

__version__ = "0.1.0"
