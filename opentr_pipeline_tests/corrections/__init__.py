"""Tests of the room ``corrections``."""
