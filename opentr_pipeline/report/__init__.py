"""What an archive holds and where it is in doubt, as one page in HTML with charts.

The sums of partitions, which ``quality`` makes and remembers, become the facts of the archive, and
``page`` writes them. It may import ``quality``, ``planning``,
``pages`` and what is below them, and knows no Dagster.
"""
