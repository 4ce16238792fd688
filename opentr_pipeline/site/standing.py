"""The pages served by themselves, in the foreground, until somebody ends it."""

import secrets

from opentr_pipeline import terminal
from opentr_pipeline.errors import ServiceError
from opentr_pipeline.pages.lists import FOLDER
from opentr_pipeline.services.listening import HOST, listen
from opentr_pipeline.services.page_link import link
from opentr_pipeline.settings.environment import Settings

START = "pages --serve"


def serve(settings: Settings, port: int) -> None:
    """Serve the pages of an archive on this machine, to whom the settings let in.

    Args:
        settings: of the archive; ``PAGE_TOKEN`` and ``PAGE_HOSTS`` are Dagster's page's as well.
        port: of loopback; 0 for any that is free.

    Raises:
        ServiceError: the port is taken, or everybody could correct.
    """
    import uvicorn

    from opentr_pipeline.services.guard import Door, Guard
    from opentr_pipeline.site.correcting import routes_of
    from opentr_pipeline.site.server import application

    more = routes_of(settings)
    listening = listen(port)
    if listening is None:
        raise ServiceError(f"Port {port} is taken by another program; name a free one with --port.")
    with listening:
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(24) if settings.page_token else ""
        door = Door(token, START, settings.hosts, f"opentr_{port}")
        archive = settings.workspace.archive
        app = Guard(application(settings.workspace.output / FOLDER, archive, more), door)
        terminal.say(f"The pages are at {link(f'http://{HOST}:{port}', token)}; Ctrl+C ends it.")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
