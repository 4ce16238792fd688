"""What was heard, and how it is kept.

What was heard in windows becomes a transcript, which waits in ``checkpoints`` until its partition
is published in ``store``, as ``table_files`` with the columns of ``schemas`` at the places of
``layout``;
``derived_files`` keeps files that are made from them. It may import ``archive``, ``audio``,
``settings`` and the ground.
"""
