"""Measurements against peers, on public speech; ``README.md`` beside this says how to run them."""
