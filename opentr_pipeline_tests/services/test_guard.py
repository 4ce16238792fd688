"""Who passes the guard of Dagster's page, and what the others are told."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from opentr_pipeline.services import page_link
from opentr_pipeline.services.guard import Door, Guard, user_of_client
from opentr_pipeline.settings.environment import load_settings

TOKEN = "correct-horse"
PLACE = "127.0.0.1:3000"
JSON = "application/json"
STRANGER = os.getuid() + 1


def answer(
    path: str = "/",
    method: str = "GET",
    kind: str = "http",
    *,
    door: Door | None = None,
    user: int | None = STRANGER,
    **headers: str,
) -> tuple[int, dict[str, str], str]:
    """Status, headers and text; 200 and ``passed`` where the application behind was asked."""
    sent: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"passed"})

    async def receive() -> Message:
        raise AssertionError("nothing is read before it is known who asks")

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"host": PLACE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    where, _, query = path.partition("?")
    scope = {
        "type": kind,
        "method": method,
        "path": where,
        "query_string": query.encode(),
        "scheme": "ws" if kind == "websocket" else "http",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("127.0.0.1", 40_000),
        "server": ("127.0.0.1", 3000),
    }
    guard = Guard(app, door or Door(TOKEN, "start dev", user_of=lambda _: user))
    asyncio.run(guard(scope, receive, send))
    start, body = sent
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], named, body["body"].decode()


def status(*arguments: Any, **named: Any) -> int:
    return answer(*arguments, **named)[0]


def test_a_stranger_is_told_where_the_link_is() -> None:
    code, _, said = answer()
    assert code == 401
    assert said.startswith("This page opens by its link alone, which opentr start dev printed;")
    for kind, path in (("http", "/graphql"), ("websocket", "/graphql"), ("http", "/logs/x")):
        assert status(path, kind=kind, accept="text/html") == 401
    assert status(user=None) == 401
    assert status("/server_info") == 200


def test_the_link_is_kept_as_a_cookie_and_not_in_the_address() -> None:
    code, headers, _ = answer(f"//runs?view=all&token={TOKEN}")
    assert (code, headers["location"]) == (303, "/runs?view=all")
    cookie, *rest = headers["set-cookie"].split("; ")
    assert cookie == f"opentr={TOKEN}"
    assert {"HttpOnly", "SameSite=lax"} <= set(rest)
    assert status(cookie=cookie) == 200
    assert status("/graphql", kind="websocket", cookie=cookie, origin=f"http://{PLACE}") == 200
    assert status(cookie="opentr=wrong-horse") == 401
    assert status("/?token=wrong-horse") == 401
    assert status("/?token=") == 401


def test_programs_pass_with_the_token_in_a_header() -> None:
    asked = {"content_type": JSON, "authorization": f"Bearer {TOKEN}"}
    assert status("/graphql", "POST", **asked) == 200
    assert status("/graphql", "POST", content_type=JSON, authorization="Bearer wrong") == 401


def test_the_same_user_passes_unless_he_passes_others_on() -> None:
    mine = os.getuid()
    assert status(user=mine) == 200
    assert status(user=mine, x_forwarded_for="203.0.113.7") == 401
    door = Door(TOKEN, "start dev", ("archive.example",), user_of=lambda _: mine)
    assert status(door=door, host="archive.example") == 401


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        (PLACE, True),
        ("localhost:3000", True),
        ("[::1]:3000", True),
        ("LOCALHOST", True),
        ("archive.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("archive.example.evil.example", False),
        ("evil.example@127.0.0.1@evil.example", False),
        ("[", False),
        ("", False),
    ],
)
def test_the_page_answers_to_its_names_alone(host: str, is_ours: bool) -> None:
    door = Door(TOKEN, "start dev", ("archive.example",))
    code, _, said = answer("/server_info", door=door, host=host)
    assert code == (200 if is_ours else 403)
    assert is_ours or "PAGE_HOSTS" in said


@pytest.mark.parametrize(
    ("host", "origin", "is_ours"),
    [
        (PLACE, f"http://{PLACE}", True),
        ("localhost:3000", "http://localhost:3000", True),
        ("localhost", "http://localhost:80", True),
        ("localhost:443", "https://localhost", True),
        (PLACE, "http://localhost:3000", False),
        (PLACE, "http://127.0.0.1:8000", False),
        (PLACE, "http://evil.example", False),
        (PLACE, "null", False),
        ("localhost", "http://localhost:443", False),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_pages_of_others_are_refused(kind: str, host: str, origin: str, is_ours: bool) -> None:
    """Also where the browser is that of somebody who may pass."""
    mine = os.getuid()
    code = status("/runs", kind=kind, user=mine, host=host, origin=origin)
    assert code == (200 if is_ours else 403)


@pytest.mark.parametrize(
    ("method", "kinds", "code"),
    [
        ("GET", ["*/*", "image/png"], 405),
        ("GET", ["text/html,*/*"], 200),
        ("POST", ["", "text/plain", "text/plain; application/json", "application/graphql"], 405),
        ("POST", ["application/json", "Application/JSON; charset=utf-8"], 200),
    ],
)
def test_no_link_and_no_form_asks_graphql(method: str, kinds: Sequence[str], code: int) -> None:
    name = "accept" if method == "GET" else "content_type"
    for kind in kinds:
        asked = {name: kind}
        assert status("/graphql?query=mutation", method, user=os.getuid(), **asked) == code


def test_without_a_token_hosts_and_origins_are_still_looked_at() -> None:
    door = Door("", "start dev")
    assert status(door=door) == 200
    assert status(door=door, authorization="Bearer ") == 200
    assert status(door=door, host="evil.example") == 403
    assert status(door=door, origin="http://evil.example") == 403
    assert status("/graphql?query=x", door=door) == 405


def kernel(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "tcp"
    tail = "00000000:00000000 00:00000000 00000000"
    lines = [
        f"   {number}: {ends} {tail} {rest}" for number, (ends, rest) in enumerate(map(split, rows))
    ]
    path.write_text("\n".join(["  sl  local_address ...", *lines, ""]))
    return path


def split(row: str) -> tuple[str, str]:
    ends, _, rest = row.partition(" / ")
    return ends, rest


SCOPE = {"client": ("127.0.0.1", 0x9C40), "server": ("127.0.0.1", 0x0BB8)}
HERE = "0100007F:9C40 0100007F:0BB8"


def test_the_user_of_a_connection_is_who_holds_its_other_end(tmp_path: Path) -> None:
    ours = "0100007F:0BB8 0100007F:9C40 01 / 0 0 11 1"
    assert user_of_client(SCOPE, kernel(tmp_path, ours, f"{HERE} 01 / 1000 0 12 1")) == 1000
    # Closed by him: the kernel calls what nobody holds root's.
    for gone in ("06 / 0 0 0 1", "04 / 0 0 0 1", "01 / 0 0 0 1"):
        assert user_of_client(SCOPE, kernel(tmp_path, f"{HERE} {gone}")) is None
    assert user_of_client(SCOPE, kernel(tmp_path)) is None
    assert user_of_client(SCOPE, tmp_path / "none") is None
    elsewhere = {**SCOPE, "client": ("::1", 40_000)}
    assert user_of_client(elsewhere, kernel(tmp_path, f"{HERE} 01 / 1000 0 12 1")) is None
    assert user_of_client({"client": None}) is None


def test_a_token_is_its_users_alone_and_lives_until_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert page_link.read_token(folder) == ""
    token = page_link.new_token(folder)
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert page_link.read_token(folder) == token != ""
    assert page_link.link("http://here", token) == f"http://here/?token={token}"

    fresh = page_link.new_token(folder)
    assert page_link.read_token(folder) == fresh not in ("", token)
    file.unlink()
    file.symlink_to(tmp_path / "theirs")
    (tmp_path / "theirs").write_text("planted")
    assert page_link.read_token(folder) == ""
    assert page_link.new_token(folder) == page_link.read_token(folder) != ""
    assert (tmp_path / "theirs").read_text() == "planted"

    off = load_settings({"PAGE_TOKEN": "false"}, None)
    assert page_link.token_folder(off) is None
    assert page_link.new_token(None) == page_link.read_token(None) == ""
    assert page_link.link("http://here", "") == "http://here"
