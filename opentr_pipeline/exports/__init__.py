"""Transcripts as files that other programs read: subtitles, text, JSON, documents.

``cues`` and ``line_breaks`` cut segments into subtitles, ``documents`` makes those to print and to
edit, ``titles`` says what a recording is called, ``formats`` turns all into bytes, and ``tree``
writes the files of a partition in folders that mirror the archive. It may import
``transcripts``, ``settings`` and what is below them.
"""
