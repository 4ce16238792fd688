"""What an archive holds and where it is in doubt, as one page in HTML with charts.

Tables become the sums of a partition, those the sums and facts of the archive, and ``page`` writes
them; sums are remembered by what they were made from. It may import ``quality``, ``planning``,
``pages`` and what is below them, and knows no Dagster.
"""
