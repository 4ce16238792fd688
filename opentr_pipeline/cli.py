"""``opentr``: which commands there are, and where; every step of a run imports this module."""

from importlib import import_module

import click

from opentr_pipeline.commands import Commands

MODULES = {
    "run": "cli_runs",
    "retry-failed": "cli_runs",
    "backfill": "cli_runs",
    "scan": "cli_runs",
    "search": "cli_search",
    "export": "cli_export",
    "pages": "cli_pages",
    "report": "cli_report",
    "status": "cli_operators",
    "eta": "cli_operators",
    "throughput": "cli_operators",
    "errors": "cli_operators",
    "queue": "cli_operators",
    "metrics": "cli_operators",
    "models": "cli_models",
    "plan": "cli_devices",
    "bench": "cli_bench",
    "start": "cli_services",
    "stop": "cli_services",
    "reset": "cli_services",
    "logs": "cli_operators",
    "health": "cli_operators",
    "doctor": "cli_devices",
    "prod": "cli_stack",
    "backup": "cli_stack",
    "restore": "cli_stack",
    "serve": "cli_stack",
    "dagster": "cli_programs",
    "test": "cli_programs",
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
        module = import_module(f"opentr_pipeline.{MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


main = AllCommands(
    help="Transcribe a media archive into Parquet. Settings: see .env.example.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@main.command("help")
@click.pass_context
def help_command(context: click.Context) -> None:
    """Show this list."""
    click.echo(main.get_help(context.parent or context))


if __name__ == "__main__":
    main()
