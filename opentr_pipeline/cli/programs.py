"""The commands that hand over to other programs: ``dagster``, pytest and MkDocs."""

import os
import subprocess
import sys
from pathlib import Path

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import setup_of
from opentr_pipeline.commands import command
from opentr_pipeline.errors import SettingsError


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def dagster(arguments: tuple[str, ...]) -> None:
    """The stock dagster command, on this archive's state folder and workspace.yaml."""
    from opentr_pipeline.launching import instance
    from opentr_pipeline.settings.installation import PROJECT_ROOT

    setup = setup_of(None, gpu_scale=False)
    instance.prepare_home(setup)
    has_workspace = (PROJECT_ROOT / "workspace.yaml").is_file()
    if has_workspace:
        os.chdir(PROJECT_ROOT)
    if not has_workspace or arguments[:2] in (("asset", "materialize"), ("job", "execute")):
        # Those two do not read workspace.yaml; they get the code location that it names.
        os.environ.setdefault("DAGSTER_MODULE_NAME", "opentr_pipeline.definitions")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning")  # "superseded by dg"
    if arguments[:1] == ("dev",):
        terminal.say(
            "dagster dev asks nobody for a link: every user of this machine can start runs on its "
            f"page; {command('start dev')} has the guard.",
            err=True,
        )
    program = str(Path(sys.executable).with_name("dagster"))
    os.execv(program, [program, *arguments])


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--quick", is_flag=True, help="Without the slow ones; some minutes.")
@click.option("--stack", is_flag=True, help="Those of the production stack alone; needs Docker.")
@click.option("--cluster", is_flag=True, help="Those of a cluster of virtual hosts; needs root.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(quick: bool, stack: bool, cluster: bool, arguments: tuple[str, ...]) -> None:
    """Run the tests; further arguments go to pytest, which then runs all in one process."""
    from opentr_pipeline.settings.installation import PROJECT_ROOT

    _need_checkout("test")
    usual = "not stack and not cluster"
    fast = ["-m", f"not slow and {usual}", "--numprocesses", "2", "--dist", "loadfile"]
    # These wait for services and processes more than they work.
    slow = ["-m", f"slow and {usual}", "--numprocesses", "3", "--dist", "loadfile"]
    stages = [fast, slow]
    if stack or cluster:
        stages = [["-m", "stack" if stack else "cluster"]]
    elif quick:
        stages = [fast]
    elif arguments:
        stages = [["-m", usual]]
    pytest = [sys.executable, "-m", "pytest"]
    codes = [
        subprocess.run([*pytest, *stage, *arguments], cwd=PROJECT_ROOT, check=False).returncode
        for stage in stages
    ]
    sys.exit(next((code for code in codes if code), 0))


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("action", type=click.Choice(["serve", "build"]), default="serve")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def docs(action: str, arguments: tuple[str, ...]) -> None:
    """Show the documents on 127.0.0.1:8000, or build them strictly into site/.

    Further arguments go to mkdocs.
    """
    from opentr_pipeline.settings.installation import PROJECT_ROOT

    _need_checkout("docs")
    os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")  # the theme's advertisement of its successor
    strictly = ["--strict"] if action == "build" else []
    mkdocs = [sys.executable, "-m", "mkdocs", action, *strictly, *arguments]
    sys.exit(subprocess.run(mkdocs, cwd=PROJECT_ROOT, check=False).returncode)


def _need_checkout(name: str) -> None:
    """Refuse what needs files that an installed package does not have."""
    from opentr_pipeline.settings.installation import is_checkout

    if not is_checkout():
        raise SettingsError(f"{name} works in a checkout of opentr_pipeline alone; call it there.")
