"""One step of a run: a shard of recordings, from their sound to published tables.

``shard_run`` feeds the recognizer, ``attempts`` keep what it hears, ``outcome`` says what became of
each recording, ``publishing`` writes a partition's tables, ``figures`` and ``bottleneck`` say how
the step went, ``birth`` what its process imports. It may import ``planning``, ``recognition``,
``transcripts`` and what is below them.
"""
