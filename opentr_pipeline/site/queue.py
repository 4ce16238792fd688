"""What to check first, as a page for those who correct, and who is at which recording."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from opentr_pipeline.corrections.doubts import Doubt, doubts
from opentr_pipeline.corrections.phrases import MAX_WHO
from opentr_pipeline.corrections.sought import Sought
from opentr_pipeline.corrections.taken import Taken, TakenRecordings
from opentr_pipeline.pages.html import render
from opentr_pipeline.pages.lists import page_of
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.site.posted import posted
from opentr_pipeline.site.scripts import joined_scripts
from opentr_pipeline.site.server import HEADERS
from opentr_pipeline.transcripts.published import store_of

NUM_PHRASES = 60
KEPT_S = 20.0  # the whole archive is read for it
SCRIPTS = ("search.js", "sought.js")


@dataclass(frozen=True)
class Waiting:
    """A recording with phrases to be checked.

    Attributes:
        page: from the root of the pages on.
        who: is at it; empty where nobody is.
        until: Unix time.
    """

    path: str
    page: str
    phrases: Sequence[Doubt]
    who: str
    until: float


def queue_routes(settings: Settings) -> list[BaseRoute]:
    """The routes of the queue, to put before those of the pages."""
    queue = _Queue(settings)
    language = settings.pages_language
    search, script = joined_scripts(SCRIPTS, language), joined_scripts(("queue.js",), language)
    return [
        Route("/queue", queue.page, methods=["GET"]),
        Route("/queue.js", lambda _: script),
        Route("/queue/take", posted(queue.taking), methods=["POST"]),
        Route("/queue/leave", posted(queue.leaving), methods=["POST"]),
        Route("/sought", posted(queue.seeking), methods=["POST"]),
        Route(f"/{SCRIPTS[0]}", lambda _: search),
    ]


class _Queue:
    """What to check first in one archive."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._store = settings, store_of(settings.workspace)
        self._sought, self._taken = Sought(self._store), TakenRecordings(self._store)
        self._lock, self._found, self._read_at = threading.Lock(), list[Doubt](), 0.0

    def page(self, _: Request) -> Response:
        """The recordings that hold what is most in doubt, and their phrases."""
        language = self._settings.pages_language
        archive = str(getattr(self._settings.workspace.archive, "name", ""))
        facts = {"archive": archive, "waiting": list(self._waiting())}
        text = render("queue.html", language, root="", **facts)
        return HTMLResponse(text, headers={**HEADERS, "Cache-Control": "no-store"})

    def taking(self, said: dict[str, Any]) -> Callable[[], Response]:
        """Somebody is at a recording from now on, unless somebody else is."""
        path, who = str(said["path"]), _who(said)

        def take() -> Response:
            taken = self._taken.take(path, who, time.time())
            facts = {"who": taken.who, "until": taken.until}
            return JSONResponse(facts, 200 if taken.who == who else 409)

        return take

    def leaving(self, said: dict[str, Any]) -> Callable[[], Response]:
        """Somebody is no longer at a recording."""
        path, who = str(said["path"]), _who(said)

        def leave() -> Response:
            self._taken.leave(path, who, time.time())
            return Response(status_code=204)

        return leave

    def seeking(self, said: dict[str, Any]) -> Callable[[], Response]:
        """Somebody looks for words; nothing but these is kept."""
        text = str(said["text"])

        def seek() -> Response:
            self._sought.add(text)
            return Response(status_code=204)

        return seek

    def _waiting(self) -> Iterator[Waiting]:
        taken = self._taken.all(time.time())
        by_path = dict[str, list[Doubt]]()
        for one in self._doubts():
            by_path.setdefault(one.path, []).append(one)
        for path, phrases in by_path.items():
            by = taken.get(path, Taken("", 0.0))
            yield Waiting(path, page_of(path), phrases, by.who, by.until)

    def _doubts(self) -> list[Doubt]:
        with self._lock:  # one reads for all who look
            if time.monotonic() - self._read_at > KEPT_S or not self._read_at:
                self._found = doubts(self._store, NUM_PHRASES)
                self._read_at = time.monotonic()
            return self._found


def _who(said: dict[str, Any]) -> str:
    who = str(said["who"]).strip()
    if not 0 < len(who) <= MAX_WHO:
        raise ValueError(who)
    return who
