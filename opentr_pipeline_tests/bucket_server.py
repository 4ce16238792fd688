"""A real server of buckets on this machine, moto's: it keeps everything in memory.

And what may stand between it and who asks: counts requests, waits as a network does, forgets
conditions as some servers do.
"""

import http.client
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

START_TIMEOUT_S = 60.0
# moto takes whatever it is given; a real server would not.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret-that-anybody-keeps",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def bucket_server() -> Iterator[str]:
    """The address of a server that nobody else on the network reaches."""
    with started([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p"], "moto") as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def started(command: list[str], name: str) -> Iterator[int]:
    """A server that answers on this machine, and its port.

    Args:
        command: but for the port.
        name: of it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, name)
        yield port
    finally:
        server.kill()
        server.wait()


def _wait_for(port: int, name: str) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, f"{name} does not answer"
            time.sleep(0.05)
        else:
            return


def new_bucket(server: str) -> str:
    """The name of a bucket that is empty."""
    name = f"tapes-{uuid.uuid4().hex[:12]}"
    ask(server, "PUT", name)
    return name


def ask(server: str, method: str, path: str) -> bytes:
    """What the server says to a plain request."""
    request = urllib.request.Request(f"{server}/{path}", method=method)
    with urllib.request.urlopen(request) as answer:
        return bytes(answer.read())


class Asked(NamedTuple):
    """A request, and how many bytes the answer had."""

    method: str
    path: str
    num_bytes: int


@dataclass
class Between:
    """What stands in front of a server.

    Attributes:
        delay_s: that each request takes longer.
        forgets: headers that do not reach the server, in small letters.
        before: called with method and path before a request goes on.
    """

    server: str
    delay_s: float = 0.0
    forgets: frozenset[str] = frozenset()
    before: Callable[[str, str], object] = lambda method, path: None
    asked: list[Asked] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Its address."""
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return lambda: between.pass_on(self)
                raise AttributeError(name)

        here = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        here.daemon_threads = True
        threading.Thread(target=here.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{here.server_port}"
        finally:
            here.shutdown()
            here.server_close()

    def pass_on(self, request: BaseHTTPRequestHandler) -> None:
        """Ask the server, and hand on what it answers."""
        self.before(request.command, request.path)
        time.sleep(self.delay_s)
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        kept = {k: v for k, v in request.headers.items() if k.lower() not in self.forgets}
        server = http.client.HTTPConnection(self.server.removeprefix("http://"))
        server.request(request.command, request.path, body, kept)
        answer = server.getresponse()
        content = answer.read()
        self.asked.append(Asked(request.command, request.path, len(content)))
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                request.send_header(name, value)
        length = answer.getheader("content-length") if request.command == "HEAD" else None
        request.send_header("Content-Length", length or str(len(content)))
        request.end_headers()
        request.wfile.write(content)
