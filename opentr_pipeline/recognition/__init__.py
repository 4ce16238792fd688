"""From sound to words: batches of windows through whatever recognizes speech.

``sources`` takes recordings apart into windows, ``batches`` gathers them, ``engine`` drives a
``recognizer`` with them and hands back what was heard; ``loading`` alone decides which recognizer
that is. ``models`` fetches and verifies the weights and ``budget`` says what fits on a device. It
may import ``transcripts``, ``archive``, ``devices``, ``audio`` and what is below them.
"""
