"""How the memory of a process is shared out among its threads (the C library's door)."""

import contextlib
import ctypes

M_ARENA_MAX = -8  # Source: malloc.h of the GNU C library


def share_the_heap() -> None:
    """Let all threads allocate from one arena: one for each doubles what the engine holds.

    Measured with ``base`` on two cores, 22 minutes of speech: 1456 MB without, 950 MB with two
    arenas, 939 MB with one, at the same speed.
    """
    with contextlib.suppress(AttributeError):  # not the GNU C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
