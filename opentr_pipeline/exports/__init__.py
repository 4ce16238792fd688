"""Transcripts as files that other programs read: subtitles, text, JSON.

``cues`` and ``line_breaks`` cut segments into subtitles, ``formats`` turns them into bytes, and
``tree`` writes the files of a partition in folders that mirror the archive. It may import
``transcripts``, ``settings`` and what is below them.
"""
