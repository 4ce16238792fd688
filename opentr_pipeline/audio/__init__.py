"""Sound out of media files: what is in them, decoded, cut into windows of speech.

``probe`` looks into a file, ``decoding`` gives its samples block by block, ``windows`` finds the
speech in them. The libraries of FFmpeg have their door here. It may import ``settings`` and the
ground.
"""
