"""Who listens on a port of this machine, and whether somebody answers."""

import socket
import urllib.error
import urllib.request

HOST = "127.0.0.1"
# Of the production stack's page, in the network of its containers.
SERVICE = "webserver"
BACKLOG = 2048  # Source: uvicorn's own


def listen(port: int) -> socket.socket | None:
    """Listen on a port of this machine's loopback; None where another program does."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        return None
    return listening


def is_taken(port: int) -> bool:
    """Whether another program listens on a port of this machine's loopback."""
    if listening := listen(port):
        listening.close()
    return listening is None


def answers(url: str) -> bool:
    """Whether a page answers."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
