"""Who may see Dagster's page, which has no login and starts runs for whoever can reach its port.

Every user of a host can connect to loopback, and so can every web page that somebody has open in a
browser there. Between the server and Dagster's own application stands ``Guard``: an ASGI
application of Starlette's, which that application is made of as well. See decision 51.
"""

import os
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from opentr_pipeline.commands import command
from opentr_pipeline.services.page_link import TOKEN_PARAMETER

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
# It says versions alone, and health checks ask for it.
OPEN_PATH = "/server_info"
GRAPHQL_PATH = "/graphql"
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
CONNECTIONS = Path("/proc/net/tcp")
ESTABLISHED = "01"
# What those who pass connections of others on say about these.
PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


def user_of_client(scope: Scope, connections: Path = CONNECTIONS) -> int | None:
    """The user that the other end of a connection belongs to, as the kernel says.

    Args:
        scope: of the request.
        connections: the kernel's list, of this machine or container alone.

    Returns:
        A user id; None: the other end is elsewhere, or has been closed.
    """
    if not scope.get("client") or not scope.get("server"):
        return None
    ends = _as_kernel(scope["client"]), _as_kernel(scope["server"])
    try:
        rows = connections.read_text().splitlines()[1:]
    except OSError:
        return None
    for row in rows:
        _, ours, theirs, state, _, _, _, user, _, inode, *_ = row.split()
        # A socket that nobody holds any more has no inode, and root's number.
        if (ours, theirs) == ends and state == ESTABLISHED and inode != "0":
            return int(user)
    return None


def _as_kernel(address: tuple[str, int]) -> str:
    """An address as the kernel prints it: the bytes of IPv4 in the machine's order, the port."""
    try:
        number = int.from_bytes(bytes(map(int, address[0].split("."))), "little")
    except ValueError:  # of another kind
        return ""
    return f"{number:08X}:{address[1]:04X}"


@dataclass(frozen=True)
class Door:
    """Who may pass.

    Attributes:
        token: that a link, a cookie or a header has to hold; empty: nobody is asked for it.
        start: the command that prints the link.
        hosts: names of the page beside those of loopback.
        cookie: the name of the cookie; a browser sends it to all ports of a host.
        user_of: tells whose connection the other end of one is, None where nobody can.
    """

    token: str = field(repr=False)
    start: str
    hosts: Collection[str] = ()
    cookie: str = "opentr"
    user_of: Callable[[Scope], int | None] = user_of_client


class Guard:
    """Lets through what the page's own people ask for, and refuses the rest in a sentence.

    Args:
        app: the application behind it.
        door: what that is.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:  # noqa: D107
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        is_request = scope["type"] in ("http", "websocket")
        answer = self._answer(HTTPConnection(scope)) if is_request else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, request: HTTPConnection) -> Response | None:
        """What to answer a request with; None: it may pass."""
        if why := self._why_foreign(request):
            return PlainTextResponse(why, 403)
        if request.scope["path"] == OPEN_PATH:
            return None
        if why := why_no_question(request):
            return PlainTextResponse(why, 405)
        if self._is_let_in(request):
            return None
        given = request.query_params.get(TOKEN_PARAMETER, "")
        if self._is_token(given) and request.scope["type"] == "http":
            return self._welcome(request)
        return PlainTextResponse(
            f"This page opens by its link alone, which {command(self._door.start)} printed; where "
            "it runs, the same command says the link again.",
            401,
        )

    def _why_foreign(self, request: HTTPConnection) -> str:
        """Why a request comes from another page, or by a name that others may have made up."""
        host = request.headers.get("host", "")
        name = _name(host)
        if name not in (*LOOPBACK_NAMES, *self._door.hosts):
            return f"This page is not called {name!r}; PAGE_HOSTS can say that it is."
        origin = request.headers.get("origin")
        if origin is not None and _place(origin) != _place(f"//{host}", urlsplit(origin).scheme):
            return (
                f"A page of {origin} asks for this one, which is {host}; a server that passes "
                "requests on has to leave Host as it is."
            )
        return ""

    def _is_let_in(self, request: HTTPConnection) -> bool:
        said = request.headers.get("authorization", "").removeprefix("Bearer ")
        kept = request.cookies.get(self._door.cookie, "")
        return (
            not self._door.token
            or self._is_token(said)
            or self._is_token(kept)
            or self._is_same_user(request)
        )

    def _is_token(self, given: str) -> bool:
        return bool(given) and secrets.compare_digest(given.encode(), self._door.token.encode())

    def _is_same_user(self, request: HTTPConnection) -> bool:
        """Whether a program of the user that serves the page asks by itself."""
        is_direct = _name(request.headers["host"]) in LOOPBACK_NAMES
        is_passed_on = any(name in request.headers for name in PASSED_ON)
        return is_direct and not is_passed_on and self._door.user_of(request.scope) == os.getuid()

    def _welcome(self, request: HTTPConnection) -> Response:
        """The same page without the token in its address, where it may be read or handed on."""
        rest = request.url.remove_query_params(TOKEN_PARAMETER)
        # One slash: with two it would be another host's address.
        place = "/" + rest.path.lstrip("/") + (f"?{rest.query}" if rest.query else "")
        answer = RedirectResponse(place, 303, {"Cache-Control": "no-store"})
        # Lax: links on other pages lead here, and no GET changes anything.
        answer.set_cookie(self._door.cookie, self._door.token, httponly=True, samesite="lax")
        return answer


def why_no_question(request: HTTPConnection) -> str:
    """Why a request to GraphQL is none that a program or the page sends; empty where it is.

    Dagster takes mutations from the address too, over GET and as plain text, which any page may
    have a browser send.
    """
    if request.scope["path"] != GRAPHQL_PATH or request.scope["type"] != "http":
        return ""
    if request.scope["method"] == "GET":
        shows_editor = "text/html" in request.headers.get("accept", "")
        return "" if shows_editor else "GraphQL is asked by POST here, so that no link acts."
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return "" if kind == "application/json" else "GraphQL takes application/json alone here."


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _place(url: str, scheme: str = "") -> str:
    """Host and port of an address, without the port that its scheme means anyway."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return parts.netloc.lower().removesuffix(DEFAULT_PORTS.get(parts.scheme or scheme, "::"))
