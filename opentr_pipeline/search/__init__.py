"""Where something is said: an index of the words, and questions to it.

``sources`` reads published transcripts, ``passages`` parts them, ``terms`` makes words comparable,
``index`` keeps both in SQLite and ``query`` answers. It may import ``pages``, ``transcripts`` and
what is below them; it neither needs a model nor knows Dagster.
"""
