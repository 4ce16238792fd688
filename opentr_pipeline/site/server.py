"""The pages as an application: files of the tree, and media by their links, with byte ranges.

Starlette's own file server does the work: parts of files, what a browser has already, types. Here
is decided what it may give away. See decision 75.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from opentr_pipeline.commands import command
from opentr_pipeline.pages.lists import MEDIA, SITE_PATH
from opentr_pipeline.settings.addresses import Place

# Nothing in a page may load or ask for what is not the site's own; what is in an archive is no
# script, and no page of another site shows ours in a frame.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; media-src 'self' data:; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # A browser asks whether what it has is still right, and gets no second copy where it is.
    "Cache-Control": "no-cache",
}


class _PagesTree(StaticFiles):
    """The files of the pages; of the archive what a link of ours leads to, and nothing else.

    Args:
        root: of the pages.
        archive: where the media are.
    """

    def __init__(self, root: Path, archive: Place) -> None:
        super().__init__(directory=root, html=True, check_dir=False)
        self._root = root
        # Of a bucket nothing is linked to.
        self._archive = Path(os.path.realpath(archive)) if isinstance(archive, Path) else None

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        parts = Path(path).parts
        if any(part.startswith(".") for part in parts if part != "."):  # what is noted for us
            return "", None
        if parts[:1] == (MEDIA,) and (self._root / path).is_symlink():
            return self._media_file(self._root / path)
        return super().lookup_path(path)

    def _media_file(self, link: Path) -> tuple[str, os.stat_result | None]:
        """The file that a link leads to, where that is one of the archive's."""
        # To the end: a medium may have become a link out of the archive since it was taken.
        target = Path(os.path.realpath(link))
        if not self._archive or self._archive not in target.parents:
            return "", None
        try:
            found = target.stat()
        except OSError:  # gone since
            return "", None
        return (str(target), found) if stat.S_ISREG(found.st_mode) else ("", None)

    def file_response(
        self, full_path: "str | os.PathLike[str]", stat_result: os.stat_result, scope: Scope,
        status_code: int = 200,
    ) -> Response:  # fmt: skip
        answer = super().file_response(full_path, stat_result, scope, status_code)
        if isinstance(answer, FileResponse) and answer.media_type == "text/plain":
            is_text = str(full_path).endswith((".txt", ".srt"))
            # Of an ending that is unknown here; a player finds out by itself.
            answer.headers["content-type"] = (
                "text/plain; charset=utf-8" if is_text else "application/octet-stream"
            )
        answer.headers.update(HEADERS)
        return answer

    async def check_config(self) -> None:
        """Nothing: there may be no pages yet."""


async def _not_found(*_: object) -> Response:
    return PlainTextResponse(f"There is no such page; {command('pages')} makes them.", 404)


def pages_routes(root: Path, archive: Place, more: Sequence[BaseRoute] = ()) -> list[BaseRoute]:
    """The pages as a part of an application, below ``SITE_PATH``; see ``application``."""
    to_home = RedirectResponse(f"{SITE_PATH}/")  # links within the pages begin there
    return [
        Route(SITE_PATH, endpoint=lambda _: to_home),
        Mount(SITE_PATH, application(root, archive, more)),
    ]


def application(root: Path, archive: Place, more: Sequence[BaseRoute] = ()) -> Starlette:
    """The pages as an application.

    Args:
        root: of the pages.
        archive: the folder that the links to media lead into.
        more: what answers before the files do.
    """
    tree = Mount("/", _PagesTree(root, archive))
    return Starlette(routes=[*more, tree], exception_handlers={404: _not_found})
