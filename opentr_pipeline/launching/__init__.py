"""From a command to Dagster: its state folder, the runs that are launched, how far they are.

``instance`` makes the state folder of an archive, ``archive_run`` cuts what is to do into runs,
``launch`` executes one and ``progress`` shows it; ``run_state`` reads what Dagster says of them.
With ``defs`` it is the only room that knows Dagster; it may import all below it.
"""
