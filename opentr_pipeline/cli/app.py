"""``opentr``: which commands there are, and where; every step of a run imports this module."""

from importlib import import_module
from typing import Any

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import Commands
from opentr_pipeline.commands import program
from opentr_pipeline.settings.installation import example_file

MODULES = {
    "run": "runs",
    "retry-failed": "runs",
    "backfill": "runs",
    "scan": "runs",
    "search": "search",
    "export": "export",
    "pages": "pages",
    "report": "report",
    "status": "status",
    "eta": "eta",
    "throughput": "eta",
    "errors": "errors",
    "queue": "queue",
    "metrics": "metrics",
    "models": "models",
    "plan": "plan",
    "bench": "bench",
    "start": "services",
    "stop": "services",
    "reset": "services",
    "logs": "logs",
    "health": "health",
    "doctor": "health",
    "prod": "stack",
    "backup": "stack",
    "restore": "stack",
    "serve": "stack",
    "dagster": "programs",
    "test": "programs",
    "docs": "programs",
}


class AllCommands(Commands):
    """The commands of ``MODULES`` and ``help``; a module is imported when it is asked for one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return [*MODULES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The function of the module that has the command's name."""
        if cmd_name not in MODULES:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"opentr_pipeline.cli.{MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Call the program what people call it, not by the file that ran."""
        return super().make_context(program(), args, parent, **extra)


main = AllCommands(
    help=f"Transcribe a media archive into Parquet. Settings: see {example_file()}.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@main.command("help")
@click.pass_context
def help_command(context: click.Context) -> None:
    """Show this list."""
    terminal.say_all(main.get_help(context.parent or context) + "\n")


if __name__ == "__main__":
    main()
