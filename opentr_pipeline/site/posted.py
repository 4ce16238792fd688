"""Requests that change something: JSON, small, read and done away from other requests."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opentr_pipeline.errors import OpentrError

MAX_BYTES = 100_000  # of what somebody says about one phrase
Endpoint = Callable[[Request], Awaitable[Response]]


def posted(act_of: Callable[[dict[str, Any]], Callable[[], Response]]) -> Endpoint:
    """What answers a request to change something.

    JSON alone, which no page of another site can have a browser send.

    Args:
        act_of: what is to be done, by what the request says; whatever it raises is the request's
            fault, other than what that raises which it gives.
    """

    def done(raw: bytes) -> Response:
        try:
            act = act_of(json.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return JSONResponse({"problem": "This is nothing that can be kept."}, 400)
        try:
            return act()
        except OpentrError as error:
            return refusal(error, 400)

    async def answer(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return JSONResponse({"problem": "This takes application/json alone."}, 415)
        raw = await request.body() if _is_small(request) else b""
        return await run_in_threadpool(done, raw)

    return answer


def refusal(error: OpentrError, status_code: int) -> Response:
    """Why something is not done."""
    return JSONResponse({"problem": str(error)}, status_code)


def _is_small(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= MAX_BYTES
