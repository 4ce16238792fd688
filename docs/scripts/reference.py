"""Pages of the reference, made from the code: text in Markdown by the path of the page."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator

import click

from opentr_pipeline.cli.app import MODULES, main
from opentr_pipeline.defs import descriptions
from opentr_pipeline.quality import problems
from opentr_pipeline.quality.checks import CHECKS
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.values import allowed
from opentr_pipeline.transcripts import given_times, transcript
from opentr_pipeline.transcripts.schemas import SCHEMAS, describe
from opentr_pipeline.transcripts.table_files import SCHEMA_VERSION

# What one row of a table is.
ROWS = {
    "recordings": "a media file",
    "transcripts": "a recording's outcome",
    "segments": "a span of speech",
    "words": "a word with the space before it",
    "turns": "a stretch in which one person speaks; those of several may overlap",
    "speakers": "a voice of a recording",
    "people": "a person who has a name",
    "corrections": "something that a person has corrected",
    "uncorrected": "a corrected recording as it was before",
}
# Units stand in names: by the ending of a column.
UNITS = {"_s": "seconds", "_hz": "hertz", "_bytes": "bytes", "_at": "UTC", "probability": "0 to 1"}
# Of settings whose names end in the same way.
SETTING_UNITS = {"_s": "seconds", "_ms": "milliseconds"}


def pages() -> dict[str, str]:
    """All pages of the reference but its index."""
    return {f"reference/{name}.md": make() for name, (make, _) in MAKERS.items()}


def index() -> str:
    """A line for each page: what it has, and where the facts stand in the code."""
    rows = []
    for name, (make, source) in MAKERS.items():
        title, said = make().split("\n\n")[:2]
        what = said.split(". ")[0].rstrip(".")
        rows.append([f"[{title.removeprefix('# ')}]({name}.md)", what, f"`{source}`"])
    return _table(["page", "has", "made from"], rows)


def _settings() -> str:
    rows = []
    # As in .env.example: what is inherited comes last.
    fields = sorted(
        Settings.model_fields.items(), key=lambda it: it[0] not in Settings.__annotations__
    )
    for name, field in fields:
        default = str(field.default).lower() if field.annotation is bool else str(field.default)
        range_ = allowed(field)
        unit = next((u for end, u in SETTING_UNITS.items() if name.endswith(end)), "")
        rows.append(
            [
                f'<span id="{name}">`{name.upper()}`</span>',
                f"`{default}`" if default else "",
                ", ".join(said for said in (range_, unit) if said and said != "text"),
                str(field.description),
            ]
        )
    return _page(
        "Settings",
        "Every variable with its default, what it may be, and what it means. The process "
        "environment comes first, then the file `.env`, then the default. Copy `.env.example`, "
        "which holds the same, to `.env`. A value that cannot work is refused in one sentence "
        "before anything starts, and so is a misspelt name.",
        _table(["variable", "default", "may be", "means"], rows),
        "Folders of the archive may have options of their own, and so may one run: "
        "[Options for folders](../guides/folder-options.md). What `auto` stands for on a card: "
        "[Cards](../guides/cards.md#what-auto-stands-for).",
    )


def _tables() -> str:
    parts = [
        "Every column of the four tables, with its type, unit and meaning. A table is a folder "
        "below `output/ARCHIVE/` with one Parquet file per partition; pandas, DuckDB, Polars and "
        f"Spark read the folders as they are. The files carry schema version {SCHEMA_VERSION} and "
        "the meaning of each column.",
        "`recording_id` and `partition_key` join them. A release reads files of older releases and "
        "refuses newer ones.",
    ]
    for table in SCHEMAS:
        rows = [
            [f"`{name}`", f"`{kind}`", _unit(name), meaning]
            for name, kind, meaning in describe(table)
        ]
        parts += [
            f"## {table}",
            f"One row is {ROWS[table]}.",
            _table(["column", "type", "unit", "means"], rows),
        ]
    return _page("Tables", *parts)


def _unit(column: str) -> str:
    if column.startswith("num_"):
        return "count"
    return next((unit for ending, unit in UNITS.items() if column.endswith(ending)), "")


def _statuses() -> str:
    rows = [
        [f"`{name}`", meaning, transcript.REMEDIES.get(name, "")]
        for name, meaning in transcript.STATUSES.items()
    ]
    said = " ".join(str(transcript.Segment.flags.__doc__).split())
    flags = re.findall(r"``(\w+)``: (.+?\.)(?= ``|$)", said)
    limits = {
        "loop": f"compression ratio over {transcript.MAX_COMPRESSION_RATIO}, or the model stopped "
        "only because no more tokens were allowed",
        "low_confidence": f"mean log-probability below {transcript.MIN_AVG_LOGPROB:g}",
        "likely_silence": f"probability of no speech over {transcript.MAX_NO_SPEECH_PROBABILITY}",
        "boilerplate": "the whole segment is one of the sentences that Whisper is known to invent",
        "unmatched_text": "words of a given text in a row of which none was heard: "
        f"{given_times.UNMATCHED_WORDS} or more",
    }
    return _page(
        "Statuses and flags",
        "What became of a recording, and what is doubtful in a segment. A file that cannot be "
        "transcribed is a row with a status, not an error.",
        "## Statuses",
        _table(["status", "means", "what to do"], rows),
        f"Where a recording was given up: {problems.remedy_when_given_up()}. A failed one is "
        "tried three times in all.",
        "## Flags",
        "Flagged text is kept as it is. A transcript with flags is `suspect`, and so is one of "
        "sound with damaged packets, which its reason says.",
        _table(["flag", "means", "where"], ([f"`{n}`", said, limits[n]] for n, said in flags)),
        "A recording as a whole has flags as well; no segment need have them.",
        _table(
            ["flag", "means"],
            ([f"`{name}`", said] for name, said in transcript.RECORDING_FLAGS.items()),
        ),
    )


def _checks() -> str:
    rows = []
    for name, check in CHECKS.items():
        severity, meaning = check.meaning.split(" ", 1)
        rows.append([f"`{name}`", severity, meaning[0].upper() + meaning[1:]])
    return _page(
        "Checks",
        "What is judged of all published partitions after every run that transcribes. The name is "
        "what holds; a check that does not hold fails no run. See [Checks](../guides/checks.md) "
        "for references and for judging without transcribing.",
        _table(["check", "severity", "does not hold"], rows),
    )


def _assets() -> str:
    parts = [
        "What Dagster's page says of each asset: what a row is, when it is made anew, and what to "
        "do where it fails."
    ]
    for name, said in vars(descriptions).items():
        if name.isupper() and isinstance(said, str):
            parts += [f"## {name.lower()}", said.format(opentr="opentr")]
    return _page("Assets", *parts)


def _commands() -> str:
    parts = [
        "Every command with its arguments and options, as `--help` says them. In a checkout "
        "`./opentr.sh` stands for `opentr`. A mistake ends with one sentence and exit code 2.",
    ]
    with click.Context(main, info_name="opentr") as context:
        names = {name: main.get_command(context, name) for name in MODULES}
        shown = {name: command for name, command in names.items() if command}
        rows = [
            [f"[`{name}`](#{name})", command.get_short_help_str(200)]
            for name, command in shown.items()
            if not command.hidden
        ]
        parts.append(_table(["command", "does"], rows))
        for name, command in shown.items():
            if not command.hidden:
                parts += _command(name, command, context, 2)
    return _page("Commands", *parts)


def _command(name: str, command: click.Command, parent: click.Context, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield f"{'#' * level} {name}"
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```"
    yield _plain(command.help or "")
    records = [
        record
        for option in command.get_params(context)
        if "--help" not in option.opts and (record := option.get_help_record(context)) and record[1]
    ]
    if records:
        yield _table(["option", "means"], ([f"`{names}`", said] for names, said in records))
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found:
                yield from _command(inner, found, context, level + 1)


def _plain(text: str) -> str:
    """Help as Markdown: paragraphs, what click marks left out."""
    return inspect.cleandoc(text).replace("\b", "").replace("*", "\\*").strip()


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *(part for part in parts if part)]) + "\n"


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = ([" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# By the name of the page: its maker, and where the facts stand for people without the site.
MAKERS: dict[str, tuple[Callable[[], str], str]] = {
    "settings": (_settings, ".env.example"),
    "tables": (_tables, "opentr_pipeline/transcripts/columns.py"),
    "statuses": (_statuses, "opentr_pipeline/transcripts/transcript.py"),
    "checks": (_checks, "opentr_pipeline/quality/checks.py"),
    "commands": (_commands, "./opentr.sh help"),
    "assets": (_assets, "opentr_pipeline/defs/descriptions.py"),
}
