"""Tests of opentr_pipeline, and what they need to run."""
