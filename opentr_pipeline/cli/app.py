"""``opentr``: which commands there are, and where; every step of a run imports this module."""

import atexit
import gc
from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import Commands
from opentr_pipeline.commands import program
from opentr_pipeline.settings.installation import example_file

# In the order of use: the module of each command, in the groups of the list that ``help`` shows.
GROUPS = {
    "Transcribe": {
        "run": "runs",
        "retry-failed": "runs",
        "backfill": "runs",
        "scan": "runs",
        "align": "align",
    },
    "Read and correct": {
        "search": "search",
        "speakers": "speakers",
        "pages": "pages",
        "export": "export",
        "report": "report",
        "import": "corrections",
        "corrections": "corrections",
    },
    "See how it stands": {
        "status": "status",
        "eta": "eta",
        "throughput": "eta",
        "errors": "errors",
        "queue": "queue",
        "logs": "logs",
        "metrics": "metrics",
    },
    "Let it run by itself": {
        "start": "services",
        "stop": "services",
        "reset": "services",
        "cluster": "cluster",
    },
    "Know what this machine can do": {
        "doctor": "health",
        "health": "health",
        "plan": "plan",
        "models": "models",
        "bench": "bench",
    },
    "Production": {"prod": "stack", "backup": "stack", "restore": "stack", "serve": "stack"},
    "Programs that are handed over to": {
        "dagster": "programs",
        "docs": "programs",
        "test": "programs",
    },
}
# New objects until garbage is looked for: what a command imports stays, and to look at it again and
# again takes a sixth of the time.
GARBAGE_THRESHOLD = 50_000
MODULES = {name: module for group in GROUPS.values() for name, module in group.items()}


class AllCommands(Commands):
    """The commands of ``MODULES`` and ``help``; a module is imported when it is asked for one."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command; of what it imports nothing is garbage."""
        gc.set_threshold(GARBAGE_THRESHOLD)
        # Else Python looks at all of it once more when it ends: half a second, after Dagster.
        atexit.register(gc.freeze)
        return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return [*MODULES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The function of the module that has the command's name."""
        if cmd_name not in MODULES:
            return super().get_command(ctx, cmd_name)
        module = import_module(f"opentr_pipeline.cli.{MODULES[cmd_name]}")
        function = cmd_name.replace("-", "_") + "_" * iskeyword(cmd_name)
        command: click.Command = getattr(module, function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In groups."""
        for title, names in GROUPS.items():
            self.format_group(title, names, ctx, formatter)
        self.format_group("Help", self.commands, ctx, formatter)

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
    """Show this list; a command says more of itself with --help."""
    terminal.say_all(main.get_help(context.parent or context) + "\n")


if __name__ == "__main__":
    main()
