"""Correcting on the served pages: what the script of a page asks for, as routes; off by default.

Behind the guard, and only where it asks for a token: whoever can write here is let in by the link.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from opentr_pipeline.corrections.phrase_edits import ChangedMeanwhileError, Wanted
from opentr_pipeline.corrections.phrases import Known, Phrases
from opentr_pipeline.corrections.taken import TakenRecordings
from opentr_pipeline.errors import OpentrError, ServiceError
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.site.posted import Endpoint, posted, refusal
from opentr_pipeline.site.queue import queue_routes
from opentr_pipeline.site.renewing import Renewal, renew
from opentr_pipeline.site.scripts import joined_scripts
from opentr_pipeline.transcripts.published import store_of

SCRIPTS = ("recording.js", "correct.js")
# Made of what a request says: what is done to phrases, and gives the partitions that changed.
Act = Callable[[Phrases], list[str]]


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
    desk = _Desk(settings)
    script = joined_scripts(SCRIPTS, settings.pages_language)
    return [
        Route("/corrections", desk.phrases, methods=["GET"]),
        Route("/corrections", desk.taking(_correction), methods=["POST"]),
        Route("/corrections/undo", desk.taking(_undoing), methods=["POST"]),
        Route("/speakers", desk.taking(_naming), methods=["POST"]),
        Route(f"/{SCRIPTS[0]}", lambda _: script),
        *queue_routes(settings),
    ]


class _Desk:
    """Where those who correct on the pages of an archive are served."""

    def __init__(self, settings: Settings) -> None:
        store = store_of(settings.workspace)
        self._known, self._taken = Known(store), TakenRecordings(store)
        self._renewal = Renewal(lambda keys: renew(settings, keys))

    def phrases(self, request: Request) -> Response:
        """What is published of a recording, unless it is what the page has already."""
        try:
            found = self._known.phrases(request.query_params.get("path", ""))
        except OpentrError as error:
            return refusal(error, 404)
        return self._told(found, request.query_params.get("version", ""))

    def taking(self, act_of: Callable[[dict[str, Any]], Act]) -> Endpoint:
        """What answers a request to change something in phrases."""

        def done_by(said: dict[str, Any]) -> Callable[[], Response]:
            path, act = str(said["path"]), act_of(said)
            return lambda: self._done(path, act)

        return posted(done_by)

    def _done(self, path: str, act: Act) -> Response:
        found = self._known.phrases(path)
        try:
            changed = act(found)
        except ChangedMeanwhileError as error:
            return refusal(error, 409)
        answer = self._told(found, "")
        answer.background = BackgroundTask(self._renewal.ask, changed) if changed else None
        return answer

    def _told(self, found: Phrases, version: str) -> Response:
        taken = self._taken.all(time.time()).get(found.recording.path)
        now = f"{found.version()} {taken.who if taken else ''}"
        if now == version:
            return Response(status_code=204)
        facts = {
            "version": now,
            "taken": dataclasses.asdict(taken) if taken else None,
            "phrases": [dataclasses.asdict(one) for one in found.all()],
            "corrections": [dataclasses.asdict(one) for one in found.corrections()],
        }
        return JSONResponse(facts)


def _correction(said: dict[str, Any]) -> Act:
    speaker = said.get("speaker")
    wanted = Wanted(
        float(said["start_s"]),
        str(said["was"]),
        str(said["text"]),
        None if speaker is None else str(speaker),
        bool(said.get("is_joined")),
    )
    who = str(said["who"])
    return lambda found: found.correct(wanted, who)


def _undoing(said: dict[str, Any]) -> Act:
    edit_ids, who = [str(one) for one in said["ids"]], str(said["who"])
    return lambda found: found.undo(edit_ids, who)


def _naming(said: dict[str, Any]) -> Act:
    voice, name = str(said["voice"]), str(said["name"])
    return lambda found: found.name_voice(voice, name)
