"""What Dagster's page says of the assets, besides what they are."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opentr_pipeline.settings.values import YesNo

# There is a catalogue of words for each but the first, in which they are written.
PAGES_LANGUAGES = ("en", "de", "es", "fr", "it")


def _owners(value: str) -> str:
    for owner in _parts(value):
        if not re.fullmatch(r"team:[\w.-]+|[^@\s]+@[^@\s]+\.[^@\s]+", owner):
            raise ValueError("addresses of people, or teams such as team:archive, with commas")
    return value


def _tags(value: str) -> str:
    for tag in _parts(value):
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,63}(=[A-Za-z0-9_.-]{0,63})?", tag):
            raise ValueError("names with values, such as domain=radio, with commas")
    return value


def _hosts(value: str) -> str:
    for name in _parts(value):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", name):
            raise ValueError("names such as archive.example, in small letters, with commas")
    return value


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


class PageSettings(BaseModel):
    """Who may see Dagster's page, and what it says of an archive: owners, labels, when overdue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset_owners: Annotated[str, AfterValidator(_owners)] = Field(
        "",
        description="Who answers for the archive, on Dagster's page: addresses, or teams such as "
        "team:archive, separated by commas.",
    )
    asset_tags: Annotated[str, AfterValidator(_tags)] = Field(
        "",
        description="Labels of its assets on Dagster's page, such as domain=radio, separated by "
        "commas.",
    )
    fresh_days: int = Field(
        30,
        ge=1,
        le=3650,
        description="Days after which Dagster's page calls overdue what is made from transcripts, "
        "where nothing was made anew: nothing came, or nothing looks any more.",
    )

    pages_language: Literal[PAGES_LANGUAGES] = Field(  # type: ignore[valid-type]
        PAGES_LANGUAGES[0],
        description="The language in which the pages of the archive speak to their readers.",
    )
    pages_correct: YesNo = Field(
        False,
        description="Whoever is let in may correct transcripts on the pages that start dev and "
        "pages --serve have. Needs PAGE_TOKEN=true.",
    )
    page_token: YesNo = Field(
        True,
        description="Dagster's page opens by the link that start prints, and to programs of the "
        "same user. false: to whoever reaches its port, such as every user of this machine; for "
        "where a proxy with logins of its own is the only one that does.",
    )
    page_hosts: Annotated[str, AfterValidator(_hosts)] = Field(
        "",
        description="Names of Dagster's page beside 127.0.0.1 and localhost, separated by commas, "
        "where a proxy passes requests on: archive.example.",
    )

    @property
    def owners(self) -> list[str]:
        """The owners, one by one."""
        return _parts(self.asset_owners)

    @property
    def hosts(self) -> list[str]:
        """The names of the page, one by one."""
        return _parts(self.page_hosts)

    @property
    def tags(self) -> dict[str, str]:
        """The labels, each with its value."""
        return {
            name: value for name, _, value in (t.partition("=") for t in _parts(self.asset_tags))
        }
