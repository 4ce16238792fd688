"""The Dagster shell: assets, jobs, checks, schedules, sensors and the parts around them.

Each definition turns what Dagster hands it into settings and keys, calls the rooms below and hands
their figures back as metadata; what is to be decided is decided below. It may import every room
below it; only ``definitions`` and ``launching`` import it.
"""
