"""Whether what is published can be trusted, how fast it was made, and what went wrong.

Tables become the facts of a partition, kept until something changes; facts become verdicts, and
those the checks that people see. It may import ``planning``, ``transcripts``, ``archive`` and what
is below them; it changes no table.
"""
