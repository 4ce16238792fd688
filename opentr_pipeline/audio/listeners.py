"""Sound heard in processes of their own, so that a card need not wait for windows.

Decoding hands Python's lock back and forth some 50 times for each second of sound: threads of one
process together hear no more than one alone. Measured beside an H100 with 16 cores, Opus: one
thread 164x, four threads 124x.

A listener is a process of ours with a socket: a sound goes in, its windows come out. It ends when
the socket does, so it never outlives who started it, however that one dies.
"""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from opentr_pipeline.audio.decoding import Sound
from opentr_pipeline.audio.own_processes import command_of, environment
from opentr_pipeline.audio.windows import Window

END_TIMEOUT_S = 5.0
Prepare = Callable[[Window], Any]


class Listeners:
    """Listeners that wait for sound, as many as were ever asked for at the same time."""

    def __init__(self, prepare: Prepare) -> None:
        """Start none.

        Args:
            prepare: called there with each window; what it returns is the window's ``features``. It
                travels, so it must be small and picklable.
        """
        self._prepare = prepare
        self._lock = threading.Lock()
        self._idle: list[_Listener] = []

    def windows(self, sound: Sound) -> Iterator[Window]:
        """The same as ``sound.windows()``; what was decoded is known to ``sound`` afterwards.

        Raises:
            MediaError: as ``sound.windows()`` does.
            OSError: likewise.
            RuntimeError: the listener died.
        """
        with self._lock:
            listener = self._idle.pop() if self._idle else _Listener()
        is_whole = False
        try:
            yield from listener.windows(sound, self._prepare)
            is_whole = True
        except Exception as error:
            is_whole = not isinstance(error, RuntimeError)
            raise
        finally:
            if is_whole:
                with self._lock:
                    self._idle.append(listener)
            else:  # in the middle of a sound that nobody wants any more
                listener.end()

    def close(self) -> None:
        """End those that wait."""
        with self._lock:
            while self._idle:
                self._idle.pop().end()


class _Listener:
    """One process, and our end of its socket."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*command_of(__name__), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment(),
            )
        self._connection = Connection(ours.detach())

    def windows(self, sound: Sound, prepare: Prepare) -> Iterator[Window]:
        try:
            self._connection.send((sound, prepare))
            while isinstance(said := self._connection.recv(), Window):
                yield said
        except (EOFError, ConnectionError):
            code = self._process.wait()
            raise RuntimeError(
                f"The process that decodes it ended with exit code {code}."
            ) from None
        heard, error = said
        vars(sound).update(vars(heard))
        if error:
            raise error

    def end(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait(END_TIMEOUT_S)


def listen(connection: Connection) -> None:
    """Hear sound after sound, until the other side is gone."""
    while True:
        try:
            sound, prepare = connection.recv()
        except (EOFError, ConnectionError):
            return
        error: Exception | None = None
        try:
            for window in sound.windows():
                connection.send(replace(window, features=prepare(window)))
        except (BrokenPipeError, ConnectionResetError):
            return
        except OSError as caught:  # FFmpeg's own kinds cannot be sent
            error = OSError(caught.errno, caught.strerror, caught.filename)
        except Exception as caught:  # the other side's to judge
            error = caught
        connection.send((sound, error))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us decides when to stop
    listen(Connection(int(sys.argv[1])))
