"""Whether what is published can be trusted, how fast it was made, and what went wrong.

Tables become the facts and sums of a partition, made together and kept in one memory until
something changes; facts become verdicts, and those the checks that people see; ``report`` adds up
the sums. It may import ``planning``, ``pages``, ``transcripts``, ``archive`` and what is below
them; it changes no table.
"""
