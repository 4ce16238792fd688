"""How an archive and its machine stand: status, health, doctor, metrics, and measured scaling.

Each takes the settings, looks at the tables, at Dagster's runs and at the devices, and gives facts
in dataclasses; nothing is changed. It may import every room but ``cli``.
"""
