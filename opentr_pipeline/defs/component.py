"""The component ``opentr_pipeline.Archive``: one ``defs.yaml`` is one archive."""

from pathlib import Path
from typing import Annotated, Any

from dagster import (
    Component,
    ComponentLoadContext,
    Definitions,
    Model,
    ResolutionContext,
    Resolvable,
    Resolver,
)
from pydantic import Field, create_model, model_validator

from opentr_pipeline.defs.build import archive_defs, checked_prefix
from opentr_pipeline.defs.names import Names
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.given import archive_settings, given_settings
from opentr_pipeline.settings.installation import example_file


class GivenSettings(Model):
    """Settings as a ``defs.yaml`` gives them; ``ArchiveSettings`` has a field for each."""

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, values: Any) -> Any:
        # By the settings' own rules and sentences; what is still a template is checked with its
        # value, when the definitions are made.
        known = {name: value for name, value in dict(values).items() if "{{" not in str(value)}
        try:
            given_settings(known, Path())
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return values


ArchiveSettings: type[GivenSettings] = create_model(  # type: ignore[call-overload]
    "ArchiveSettings",
    __base__=GivenSettings,
    __module__=__name__,
    __doc__="Settings of an archive, by their names in small letters.",
    **{
        # Of whatever type YAML makes of it: what may be in it is known to ``Settings`` alone.
        name: (Any, Field(None, description=field.description))
        for name, field in Settings.model_fields.items()
        if name != "archive_dir"
    },
)


def _values(context: ResolutionContext, given: GivenSettings) -> dict[str, Any]:
    """The settings that are given, with templates replaced by their values."""
    return dict(context.resolve_value(given.model_dump(exclude_none=True)))


class Archive(Component, Model, Resolvable):
    """A media archive and what is made of it: recordings, transcripts, subtitles, pages, search."""

    archive: str = Field(
        description="The folder that holds all media; a relative path starts beside this file."
    )
    key_prefix: str | list[str] = Field(
        default=[],
        description="Stands before asset keys and all other names; each archive of a code location "
        "needs one of its own.",
    )
    with_executor: bool = Field(
        default=False,
        description="Bring the executor that starts no more transcription steps of a run than "
        "there are worker slots; a code location has one executor.",
    )
    settings: Annotated[
        dict[str, Any],
        Resolver(
            _values,
            model_field_type=ArchiveSettings,
            description=f"Settings as in {example_file()}, by their names in small letters; "
            "output_dir is needed.",
        ),
    ] = Field(default={})

    def build_defs(self, context: ComponentLoadContext) -> Definitions:
        """The definitions of the archive.

        Raises:
            SettingsError: one sentence for the first value refused.
        """
        settings = archive_settings(self.archive, self.settings, Path(context.path))
        names = Names(checked_prefix(self.key_prefix))
        return archive_defs(settings, names, with_executor=self.with_executor)
