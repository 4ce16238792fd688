"""Correcting on the served pages: what the script of a page asks for, as routes; off by default.

Behind the guard, and only where it asks for a token: whoever can write here is let in by the link.
A request to change something is JSON, which no page of another site can have a browser send.
"""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from opentr_pipeline.corrections.phrases import ChangedMeanwhileError, Known, Phrases, Wanted
from opentr_pipeline.errors import OpentrError, ServiceError
from opentr_pipeline.pages.html import static_file
from opentr_pipeline.pages.pages import Pages
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.transcripts.published import store_of
from opentr_pipeline.transcripts.store import TranscriptStore

MAX_BYTES = 100_000  # of what somebody says about one phrase
SCRIPTS = ("recording.js", "correct.js")


def routes_of(settings: Settings) -> list[BaseRoute]:
    """What answers before the pages of an archive do: nothing, unless the settings say otherwise.

    Raises:
        ServiceError: everybody would be let in.
    """
    if not settings.pages_correct:
        return []
    if not settings.page_token:
        raise ServiceError(
            "PAGES_CORRECT=true lets whoever is let in write, and PAGE_TOKEN=false lets in "
            "everybody; set one of them otherwise."
        )
    if settings.workspace.output_bucket:
        raise ServiceError(
            "PAGES_CORRECT=true keeps corrections in a folder that all hosts see, and OUTPUT_DIR "
            "is a bucket; set PAGES_CORRECT=false, or a folder."
        )

    def renew(keys: list[str]) -> None:
        for key in keys:
            Pages(settings).write(key)

    return correcting_routes(store_of(settings.workspace), renew)


def correcting_routes(
    store: TranscriptStore, renew: Callable[[list[str]], None]
) -> list[BaseRoute]:
    """The routes to put before those of the pages.

    Args:
        store: of the archive.
        renew: makes the pages of partitions anew, after the answer.
    """
    known = Known(store)

    def phrases(request: Request) -> Response:
        """What is published of a recording, unless it is what the page has already."""
        try:
            found = known.phrases(request.query_params.get("path", ""))
        except OpentrError as error:
            return _refusal(error, 404)
        return _told(found, request.query_params.get("version", ""))

    async def correct(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return JSONResponse({"problem": "This takes application/json alone."}, 415)
        raw = await request.body() if _is_small(request) else b""
        return await run_in_threadpool(_correct, raw)

    def _correct(raw: bytes) -> Response:
        try:
            said = json.loads(raw)
            who, wanted = str(said.pop("who")), said.pop("path")
            asked = Wanted(**{name: _CHECKED[name](value) for name, value in said.items()})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return JSONResponse({"problem": "This is no correction."}, 400)
        try:
            found = known.phrases(wanted)
            changed = found.correct(asked, who)
        except ChangedMeanwhileError as error:
            return _refusal(error, 409)
        except OpentrError as error:
            return _refusal(error, 400)
        answer = _told(found, "")
        answer.background = BackgroundTask(renew, changed) if changed else None
        return answer

    def script(_: Request) -> Response:
        """The script of a recording's page, and that with which it is corrected."""
        text = "\n".join(map(static_file, SCRIPTS))
        return Response(text, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    return [
        Route("/corrections", phrases, methods=["GET"]),
        Route("/corrections", correct, methods=["POST"]),
        Route(f"/{SCRIPTS[0]}", script),
    ]


_CHECKED: dict[str, Callable[[Any], Any]] = {
    "start_s": float,
    "was": str,
    "text": str,
    "speaker": lambda name: None if name is None else str(name),
}


def _is_small(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= MAX_BYTES


def _told(found: Phrases, version: str) -> Response:
    now = found.version()
    if now == version:
        return Response(status_code=204)
    told = [dataclasses.asdict(one) for one in found.all()]
    return JSONResponse({"version": now, "phrases": told})


def _refusal(error: OpentrError, status_code: int) -> Response:
    return JSONResponse({"problem": str(error)}, status_code)
