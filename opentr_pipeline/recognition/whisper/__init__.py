"""Whisper as the recognizer: the model, and what is particular to it.

Windows go through ``model`` (encoded, decoded, aligned), ``transcriber`` decides what is tried
again and places the words; ``shapes`` and ``memory`` estimate what it needs. It may import what
``recognition`` may; faster-whisper and CTranslate2 have their doors here.
"""
