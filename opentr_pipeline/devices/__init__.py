"""The processor and the cards: what there is, how busy, and whose turn it is.

``cards`` lists the devices and the worker slots on them, ``leases`` hands slots out, and
``memory_limits`` remembers what was too much for them; NVML and the CUDA libraries have their doors
here. It may import ``settings`` and the ground.
"""
