"""What is measured: one module a candidate, each run in a process of its own by ``engine.py``."""
