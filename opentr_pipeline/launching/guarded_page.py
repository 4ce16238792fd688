"""Dagster's webserver behind our guard; the same arguments as ``dagster-webserver``.

python -m opentr_pipeline.launching.guarded_page [--listening DESCRIPTOR] ARGUMENTS ...
"""

import socket
import sys
from functools import partial
from typing import Any

import uvicorn
from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.pages.lists import FOLDER
from opentr_pipeline.services.guard import Door, Guard
from opentr_pipeline.services.listening import SERVICE
from opentr_pipeline.services.page_link import read_token, token_folder
from opentr_pipeline.settings.environment import Settings, is_in_stack, load_settings
from opentr_pipeline.site.correcting import routes_of
from opentr_pipeline.site.server import pages_routes


def guarded(app: Starlette, settings: Settings) -> Starlette:
    """An application that answers only whom the settings let in.

    Raises:
        ServiceError: a token is asked for, and there is none.
    """
    folder = token_folder(settings)
    token = read_token(folder)
    if folder and not token:
        raise ServiceError(f"There is no token of the page in {folder}; start makes it.")
    cookie = f"opentr_{settings.dagster_port}"
    door = Door(token, "start dev", settings.hosts, cookie)
    if is_in_stack():  # where commands in other containers call it by its service
        door = Door(token, "start prod", [*settings.hosts, SERVICE], cookie)
    app.add_middleware(Guard, door)
    return app


def _add_pages(app: Starlette, settings: Settings) -> None:
    """The pages of the archive beside Dagster's own, before what that answers for any address."""
    if not is_in_stack():  # whose page does not see the archive
        root = settings.workspace.output / FOLDER
        app.router.routes[:0] = pages_routes(root, settings.workspace.archive, routes_of(settings))


def _serve(settings: Settings, sockets: list[socket.socket] | None, *said: Any) -> None:
    """What ``dagster-webserver`` does in the end, on a socket that may be there already."""
    context, host, port, path_prefix, log_level, poll_rate = said
    app = create_app_from_workspace_process_context(
        context, path_prefix, poll_rate, lifespan=cli._lifespan
    )
    _add_pages(app, settings)
    server = uvicorn.Server(
        uvicorn.Config(guarded(app, settings), host=host, port=port, log_level=log_level)
    )
    server.run(sockets=sockets)
    if not server.started:
        sys.exit(1)


def main() -> None:
    """Serve the page."""
    arguments, sockets = sys.argv[1:], None
    if arguments[:1] == ["--listening"]:
        sockets = [socket.socket(fileno=int(arguments[1]))]
        arguments = arguments[2:]
    # The one place where that command serves its application; it has no other door for this.
    serve = partial(_serve, load_settings(), sockets)
    cli.host_dagster_ui_with_workspace_process_context = serve
    cli.dagster_webserver(arguments)


if __name__ == "__main__":
    main()
