"""Tests of the room ``recognition``."""
