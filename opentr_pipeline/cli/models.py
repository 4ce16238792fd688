"""``opentr models``: Whisper models, fetched and verified."""

from typing import TYPE_CHECKING

import click

from opentr_pipeline.cli.shared import Commands

if TYPE_CHECKING:
    from opentr_pipeline.settings.environment import Settings


@click.group("models", cls=Commands)
def models() -> None:
    """Fetch, verify and list Whisper models."""


model_argument = click.argument("name", required=False)


@models.command("fetch")
@model_argument
def models_fetch(name: str | None) -> None:
    """Fetch NAME (default: the model that WHISPER_MODEL means) and verify every file."""
    from opentr_pipeline.recognition import fetching
    from opentr_pipeline.settings.environment import load_settings

    settings = load_settings()
    model = fetching.fetch(_model_name(settings, name), settings.workspace.models, click.echo)
    click.echo(f"{model.name} is in {model.folder}.")


@models.command("verify")
@model_argument
def models_verify(name: str | None) -> None:
    """Compare every file of a fetched model with its digest."""
    from opentr_pipeline.recognition import models as whisper_models
    from opentr_pipeline.settings.environment import load_settings

    settings = load_settings()
    model = whisper_models.verify(_model_name(settings, name), settings.workspace.models)
    click.echo(f"{model.name} in {model.folder} is as it was fetched.")


def _model_name(settings: "Settings", name: str | None) -> str:
    from opentr_pipeline.devices import cards
    from opentr_pipeline.recognition import models as whisper_models

    return name or whisper_models.model_name(
        settings, cards.worker_slots(settings, cards.list_cards())
    )


@models.command("list")
def models_list() -> None:
    """List the models that are complete on disk, and the names that can be fetched."""
    from opentr_pipeline.recognition import models as whisper_models
    from opentr_pipeline.settings.environment import load_settings

    settings = load_settings()
    there = whisper_models.installed(settings.workspace.models)
    click.echo(f"here     {', '.join(there) or 'none yet'} ({settings.workspace.models})")
    click.echo(f"known    {', '.join(whisper_models.known_names())}")
    click.echo("         and any hub id (owner/name) or directory in CTranslate2 format")
