"""A server behind a slow line: 10 Mbit/s, 40 ms to and from, whatever in a browser fetches."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opentr_pipeline.services.listening import listen

LATENCY_S = 0.04
BYTES_PER_S = 10_000_000 / 8


class Line:
    """An application behind a slow line, which all that is fetched shares.

    Attributes:
        num_bytes: that went over it.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Nothing is under way."""
        self.app, self.num_bytes, self._free_at = app, 0, 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as slowly as the line does."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(LATENCY_S)

        async def slowly(message: Message) -> None:
            headers = sum(len(name) + len(value) + 4 for name, value in message.get("headers", ()))
            size, now = len(message.get("body", b"")) + headers, time.monotonic()
            self._free_at = max(now, self._free_at) + size / BYTES_PER_S
            self.num_bytes += size
            await asyncio.sleep(self._free_at - now)
            await send(message)

        await self.app(scope, receive, slowly)


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[tuple[str, Line]]:
    """The address of an application, and the line before it."""
    listening, line = listen(0), Line(app)
    assert listening
    server = uvicorn.Server(uvicorn.Config(line, log_level="error"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}", line
    server.should_exit = True
    thread.join()
