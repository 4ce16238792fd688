"""Where the pages are found beside Dagster's page."""

from opentr_pipeline.pages.lists import SITE_PATH
from opentr_pipeline.services.dev import DevServices
from opentr_pipeline.services.page_link import link, read_token
from opentr_pipeline.settings.environment import Settings, is_in_stack


def pages_url(settings: Settings) -> str:
    """Where the pages of an archive are, seen from Dagster's page; empty where nobody serves them.

    Without a host: people reach that page by names of their own, such as a tunnel's.
    """
    is_served = not is_in_stack() and DevServices.of(settings).is_running()
    return SITE_PATH if is_served else ""


def link_of_pages(running: DevServices) -> str:
    """What opens the pages beside a page that runs."""
    return link(f"{running.address}{SITE_PATH}", read_token(running.token_folder))
