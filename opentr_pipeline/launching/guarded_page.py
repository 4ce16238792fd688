"""Dagster's webserver behind our guard; the same arguments as ``dagster-webserver``.

python -m opentr_pipeline.launching.guarded_page ARGUMENTS ...
"""

from typing import Any

from dagster_webserver import cli
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.applications import Starlette

from opentr_pipeline.services.guard import Door, Guard
from opentr_pipeline.services.page_link import make_token, token_folder
from opentr_pipeline.settings.environment import Settings, is_in_stack, load_settings


def guarded(app: Starlette, settings: Settings) -> Starlette:
    """An application that answers only whom the settings let in."""
    door = Door(
        make_token(settings, token_folder(settings)),
        "start prod" if is_in_stack() else "start dev",
        settings.hosts,
        f"opentr_{settings.dagster_port}",
    )
    app.add_middleware(Guard, door)
    return app


def main() -> None:
    """Serve the page."""
    settings = load_settings()

    def create_guarded(*arguments: Any, **named: Any) -> Starlette:
        return guarded(create_app_from_workspace_process_context(*arguments, **named), settings)

    # The one place where that command makes its application; it has no other door for this.
    cli.create_app_from_workspace_process_context = create_guarded  # type: ignore[attr-defined]
    cli.dagster_webserver()


if __name__ == "__main__":
    main()
