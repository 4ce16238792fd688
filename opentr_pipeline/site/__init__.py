"""The pages of an archive over HTTP, on this machine: beside Dagster's page, or by themselves.

``server`` answers for the files of the pages and the media that they lead to, ``standing`` runs it
by itself behind the guard. ``correcting`` takes in what people correct, ``queue`` says what to
check first, and ``renewing`` makes anew what shows it. It may import ``search``, ``services``,
``pages`` and what is below them.
"""
