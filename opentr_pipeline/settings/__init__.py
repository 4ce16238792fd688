"""What a person may set: every variable with its default, range and meaning.

``environment`` reads them once from the process and ``.env`` into ``Settings``, which is handed on;
``values`` checks the kinds of value. It may import ``errors`` alone.
"""
