"""``opentr models``: Whisper models, and those that tell speakers apart, fetched and verified."""

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import Commands, settings_of, setup_of


@click.group("models", cls=Commands)
def models() -> None:
    """Fetch, verify and list Whisper models, and those that tell speakers apart (speakers)."""


model_argument = click.argument("name", required=False)


@models.command("fetch")
@model_argument
def models_fetch(name: str | None) -> None:
    """Fetch NAME (default: the model that WHISPER_MODEL means) and verify every file."""
    from opentr_pipeline.recognition import fetching
    from opentr_pipeline.speakers import fetching as speakers_fetching
    from opentr_pipeline.speakers import models as speakers_models

    if name == speakers_models.NAME:
        models_root = settings_of(None, gpu_scale=False).workspace.models
        networks = speakers_fetching.fetch(models_root, terminal.say)
        terminal.say(f"{name} are in {networks.segmentation.parent}.")
        return
    setup = setup_of(None, gpu_scale=False)
    model = fetching.fetch(name or setup.model_name, setup.workspace.models, terminal.say)
    terminal.say(f"{model.name} is in {model.folder}.")


@models.command("verify")
@model_argument
def models_verify(name: str | None) -> None:
    """Compare every file of a fetched model with its digest."""
    from opentr_pipeline.recognition import models as whisper_models
    from opentr_pipeline.speakers import models as speakers_models

    if name == speakers_models.NAME:
        models_root = settings_of(None, gpu_scale=False).workspace.models
        networks = speakers_models.verify(models_root)
        terminal.say(f"{name} in {networks.segmentation.parent} are as they were fetched.")
        return
    setup = setup_of(None, gpu_scale=False)
    model = whisper_models.verify(name or setup.model_name, setup.workspace.models)
    terminal.say(f"{model.name} in {model.folder} is as it was fetched.")


@models.command("list")
def models_list() -> None:
    """List the models that are complete on disk, and the names that can be fetched."""
    from opentr_pipeline.recognition import models as whisper_models
    from opentr_pipeline.speakers import models as speakers_models

    models_root = settings_of(None, gpu_scale=False).workspace.models
    there = whisper_models.installed(models_root)
    terminal.say(f"here     {', '.join(there) or 'none yet'} ({models_root})")
    terminal.say(f"known    {', '.join(whisper_models.known_names())}")
    terminal.say("         and any hub id (owner/name) or directory in CTranslate2 format")
    is_here = "here" if speakers_models.is_fetched(models_root) else "not fetched yet"
    licences = ", ".join(" ".join(pair) for pair in speakers_models.LICENCES.items())
    terminal.say(f"speakers {is_here} ({licences})")
