"""Who speaks when: turns and voices of a recording, and whose words they are.

A step of its own after transcription, and an optional one: it hears the sound again and changes no
text. It may import ``recognition`` (for the fetching of models), ``transcripts``, ``archive``,
``devices``, ``audio`` and what is below them.
"""
