"""What is to be done, and in which pieces.

``setup`` finds out once what the settings mean on this machine: slots, model, options, store.
Settings become options for each folder; recordings beside their transcripts become the backlog,
that becomes the plan of a run, and the plan shards of even length. Nights, uploads and refreshes
say what is due when. It may import ``recognition``, ``transcripts``, ``archive`` and what is below
them.
"""
