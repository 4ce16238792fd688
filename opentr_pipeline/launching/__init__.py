"""From a command to Dagster: its state folder, the runs that are launched, how far they are.

``home`` names the state folder of an archive and ``instance`` makes it, ``archive_run`` cuts what
is to do into runs, ``launch`` executes one and ``progress`` shows it; ``run_state`` reads what
Dagster says of them. Where nothing is to do, a command reaches ``home`` and ``archive_run`` alone.
With ``defs`` it is the only room that knows Dagster; it may import all below it.
"""
