"""Tests of the room ``speakers``."""
