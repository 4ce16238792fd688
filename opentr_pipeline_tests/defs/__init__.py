"""Tests of the room ``defs``."""
