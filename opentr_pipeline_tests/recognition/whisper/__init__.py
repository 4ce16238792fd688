"""Tests of the room ``recognition.whisper``."""
