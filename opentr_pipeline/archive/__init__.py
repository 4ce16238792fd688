"""The archive: which media there are, what they are, and what has changed.

``storage`` is asked for whatever is read. A scan lists ``media_files``, a probe makes
``recordings`` of them, remembered as long as they stay the same; ``changes`` and ``ledger`` notice
what is new, ``references`` finds texts to compare with. Nothing here writes into the archive. It
may import ``audio``, ``settings`` and the ground.
"""
