"""The command line: one file a command, with what it shows on a terminal.

``app`` knows which command is where and imports its file when it is asked for; ``shared`` turns
what was typed into settings, options and worker slots. A command then asks the rooms below, prints
the answer for people or as JSON, and exits. It may import every room; no room imports it.
"""
