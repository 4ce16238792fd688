"""``opentr metrics``: figures for Prometheus."""

from pathlib import Path

import click

from opentr_pipeline import terminal
from opentr_pipeline.cli.shared import archive_argument, setup_to_look, until_interrupt
from opentr_pipeline.settings.addresses import Place

# Prometheus asks every minute by default, and the sensor may have changed something by then.
METRICS_TICK_S = 30.0


@click.command()
@archive_argument
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write them to a file."
)
@click.option("--watch", is_flag=True, help="Again every half minute, until Ctrl-C.")
def metrics(archive: Place | None, output: Path | None, watch: bool) -> None:
    """Print figures for Prometheus, as node exporter's textfile collector reads them."""
    from opentr_pipeline.monitoring import metrics as prometheus
    from opentr_pipeline.monitoring.status import StatusWatch

    setup = setup_to_look(archive)
    looking = StatusWatch(setup, setup.options_to_look)

    def act() -> None:
        if output:
            prometheus.write(output, looking.status(), setup.workspace.archive)
        else:
            terminal.say_all(prometheus.text(looking.status(), setup.workspace.archive))

    if watch:
        until_interrupt(act, METRICS_TICK_S)
    else:
        act()
