"""What a person may set: every variable with its default, range and meaning.

``environment`` reads them once from the process and ``.env`` into ``Settings``, which is handed on;
``values`` checks the kinds of value. ``workspace`` is where everything of one archive is, and
``folder_file`` where the options of its folders are; ``installation`` knows where the program is,
in a checkout or not, and what comes with it. It may import the ground alone.
"""
