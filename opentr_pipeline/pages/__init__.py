"""Pages in HTML of recordings, partitions and the archive, beside the tables.

``paragraphs`` makes a transcript readable, ``lists`` sums up and links, ``html`` fills in the
templates and ``pages`` writes the files. It may import ``exports``, ``transcripts`` and what is
below them.
"""
