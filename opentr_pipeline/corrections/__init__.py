"""What people correct, kept apart from what the model said, and put over it again and again.

``edit_files`` keeps the edits (``edit_lines``), ``word_places`` and ``locating`` find where they
belong, ``applying`` puts them into a transcript, ``overlay`` into the tables. ``edited_files``
reads a file that somebody has edited, ``comparing`` makes edits of it; ``phrases`` are corrected
one by one, and ``keeping`` keeps what either makes.
``doubts`` says what to check first, ``sought`` and ``taken`` help with that. It may import
``exports``, ``speakers``, ``transcripts`` and what is below them.
"""
