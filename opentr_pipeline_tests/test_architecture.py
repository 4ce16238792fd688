"""The rules of the house, read from the syntax trees."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

import opentr_pipeline
from opentr_pipeline.settings.installation import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "opentr_pipeline"
TESTS = PROJECT_ROOT / "opentr_pipeline_tests"
# The rooms, from the door down to the ground: imports only run down this list.
ROOMS = (
    *("cli", "monitoring", "launching", "defs", "report", "site", "search", "quality", "steps"),
    *("planning", "services", "pages", "corrections", "exports", "speakers", "recognition"),
    *("transcripts", "archive", "devices", "audio", "settings", "ground"),
)
# What stands in no folder: beside ``defs`` what Dagster loads, else the ground under all rooms.
OUTSIDE = {
    **dict.fromkeys(
        (
            "commands",
            "errors",
            "locks",
            "plain_files",
            "postgres",
            "shortages",
            "wording",
            "terminal",
            "whole_files",
            "bootstrap",
        ),
        "ground",
    ),
    "definitions": "defs",
}
# These may reach Dagster when they are loaded; it takes a second that no other room is to cost.
DAGSTER_ROOMS = {"cli", "monitoring", "launching", "defs"}
# Outside the shell, what launches runs, and what reads their state.
DAGSTER_OUTSIDE_DEFS = {
    *("definitions", "launching.instance", "launching.launch", "launching.run_state"),
    *("launching.guarded_dev", "launching.guarded_page"),
}
# Each of these costs every step of every run a part of a second, or holds a card.
HEAVY = {"faster_whisper", "ctranslate2", "av", "torch", "onnxruntime", "numpy", "ray"}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
# They hand variables on to processes that they start; only ``settings`` gives them a meaning.
ENVIRONMENT_FORWARDERS = {
    *("cli.programs", "launching.home", "audio.own_processes", "audio.windows"),
    *("recognition.whisper.model", "services.stack", "speakers.sessions", "services.cluster_node"),
}
MAX_LINES_OF_FILE = 300
USUAL_LINES_OF_FUNCTION = 40
MAX_LINES_OF_FUNCTION = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One file of the package; its name is relative to the package."""

    path: Path

    @property
    def name(self) -> str:
        parts = self.path.relative_to(PACKAGE).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"))

    @property
    def num_lines(self) -> int:
        return len(self.path.read_text(encoding="utf-8").splitlines())

    @property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @property
    def imports(self) -> set[str]:
        """Whatever is imported anywhere, as dotted names."""
        return {name for node in ast.walk(self.tree) for name in imported(node)}

    @property
    def imports_on_load(self) -> set[str]:
        """What is imported when the module is, functions and type checking left out."""
        return {name for node in on_load(self.tree.body) for name in imported(node)}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute here"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def on_load(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when a module is imported."""
    for node in body:
        if isinstance(node, Function):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        for field in ("body", "orelse", "handlers", "finalbody"):
            yield from on_load(getattr(node, field, []))


@cache
def modules() -> dict[str, Module]:
    found = [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]
    return {module.name: module for module in found}


def ours(names: set[str]) -> set[str]:
    """Modules of the package among dotted names, by the names they have here."""
    found = set()
    for name in names:
        inner = name.removeprefix("opentr_pipeline").removeprefix(".")
        if name.split(".")[0] == "opentr_pipeline":
            longest = inner if inner in modules() else inner.rpartition(".")[0]
            found.add(longest)
    return found - {""}


def roots(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def test_the_trees_are_those_of_the_package() -> None:
    assert Path(opentr_pipeline.__file__).parent == PACKAGE
    assert {"settings.environment", "transcripts.store", "defs.assets"} <= set(modules())
    assert "defs.build" in ours(modules()["definitions"].imports)
    assert "archive.media_files" in ours(modules()["planning.backlog"].imports_on_load)


def test_dagster_is_imported_by_the_shell_alone() -> None:
    users = {
        name
        for name, module in modules().items()
        if any(root.startswith("dagster") for root in roots(module.imports))
    }
    outside = {name for name in users if not name.startswith("defs.")}
    assert outside == DAGSTER_OUTSIDE_DEFS | {"launching.preload"}


def test_nothing_is_kept_as_a_pickle() -> None:
    """To read one runs whatever its author wants."""
    users = {name for name, module in modules().items() if "pickle" in roots(module.imports)}
    assert users == set()


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    found = {name: roots(module.imports_on_load) & HEAVY for name, module in modules().items()}
    assert {name: heavy for name, heavy in found.items() if heavy} == {}
    assert all(
        any(heavy in roots(module.imports) for module in modules().values())
        for heavy in ("faster_whisper", "av")
    )


def cycles(edges: dict[str, set[str]]) -> set[str]:
    """Modules that are left when those that need nothing more are taken away, again and again."""
    left = {name: set(needed) for name, needed in edges.items()}
    while ready := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in ready:
            del left[name]
    return set(left)


def test_imports_make_no_cycle() -> None:
    edges = {name: ours(module.imports_on_load) for name, module in modules().items()}
    assert sum(map(len, edges.values())) > 30
    assert cycles(edges) == set()
    assert cycles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == {"a", "b", "c"}


def room(name: str) -> str:
    """The first part of a module's name, where that is a folder."""
    first = name.partition(".")[0]
    return OUTSIDE.get(first, first)


def test_every_module_is_in_a_room() -> None:
    assert {room(name) for name in modules() if name} == set(ROOMS)


def test_tests_are_in_the_room_that_they_are_about() -> None:
    folders = {path.parent.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert folders == {*ROOMS, ".", "recognition/whisper"} - {"ground"}


def upward(edges: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Imports that run up the list of rooms."""
    return {
        (name, used)
        for name, all_used in edges.items()
        for used in all_used
        if ROOMS.index(room(used)) < ROOMS.index(room(name))
    }


def test_imports_run_down_the_list_of_rooms() -> None:
    """Those inside functions and for type checking as well."""
    edges = {name: ours(module.imports) for name, module in modules().items() if name}
    assert upward(edges) == set()
    assert upward({"audio.a": {"archive.b"}, "archive.b": {"audio.a", "archive.c"}}) == {
        ("audio.a", "archive.b")
    }


def reaching(goals: set[str], edges: dict[str, set[str]]) -> set[str]:
    """Modules that need one of the goals, by way of whatever they need."""
    reached = set(goals)
    while more := {name for name, needed in edges.items() if needed & reached} - reached:
        reached |= more
    return reached


def test_most_rooms_load_without_dagster() -> None:
    edges = {name: ours(module.imports_on_load) for name, module in modules().items()}
    users = {
        name
        for name, module in modules().items()
        if any(root.startswith("dagster") for root in roots(module.imports_on_load))
    }
    assert "launching.launch" in users
    assert {room(name) for name in reaching(users, edges)} <= DAGSTER_ROOMS
    assert reaching({"c"}, {"a": {"b"}, "b": {"c"}, "d": {"a"}, "e": set()}) == set("abcd")


def test_only_the_entry_points_import_the_shell() -> None:
    users = {
        name
        for name, module in modules().items()
        if any(used.split(".")[0] == "defs" for used in ours(module.imports))
    }
    guarded = {"launching.guarded_dev", "launching.guarded_page"}
    outside = {name for name in users if not name.startswith("defs.")}
    assert outside == DAGSTER_OUTSIDE_DEFS - guarded | {"launching.preload"}


def test_one_module_decides_what_recognizes_speech() -> None:
    parts = ("model", "transcriber", "languages")
    built = {f"recognition.whisper.{part}" for part in parts}
    users = {name for name, module in modules().items() if ours(module.imports) & built}
    # What measures a card takes the model apart, or takes the card's memory as the model would.
    measuring = {"monitoring.card_stages", "recognition.whisper.ballast"}
    assert users - built - measuring == {"recognition.loading"}


@pytest.mark.parametrize(
    ("library", "door"),
    [
        (
            "pyarrow",
            {
                *("transcripts.store", "transcripts.schemas", "transcripts.table_files"),
                *("transcripts.new_rows", "transcripts.generations", "transcripts.columns"),
                "transcripts.published_rows",
                *("quality.partition_facts", "quality.partition_totals", "archive.object_names"),
            },
        ),
        (
            "av",
            {
                *("audio.probe", "audio.decoding", "audio.streams", "audio.blocks"),
                *("audio.chapters", "audio.posters"),
            },
        ),
        (
            "ctranslate2",
            {f"recognition.whisper.{name}" for name in ("ballast", "model", "noise")},
        ),
        (
            "faster_whisper",
            {
                *("recognition.whisper.model", "recognition.whisper.features", "audio.windows"),
                *("recognition.models", "recognition.fetching"),
            },
        ),
        ("pynvml", {"devices.nvml"}),
        (
            "matplotlib",  # documents take its fonts
            {
                *("monitoring.card_chart", "monitoring.scaling_chart", "report.charts"),
                "exports.documents",
            },
        ),
        ("docx", {"exports.documents"}),
        ("fpdf", {"exports.documents"}),
        ("jinja2", {"pages.html"}),
        ("huggingface_hub", {"recognition.origins"}),
        ("onnx", {"speakers.network_files"}),
        ("onnxruntime", {"speakers.sessions"}),
        ("kaldi_native_fbank", {"speakers.embeddings"}),
        ("scipy", {"speakers.clustering"}),
        ("tokenizers", {"recognition.whisper.tokens"}),
        ("jiwer", {"archive.references"}),
        ("rapidfuzz", {"transcripts.matching"}),
        ("pysubs2", {"archive.references"}),
        ("prometheus_client", {"monitoring.metrics"}),
        ("dotenv", {"settings.values"}),
        ("fcntl", {"locks", "bootstrap"}),
        (
            "sqlite3",
            {
                *("archive.recordings", "archive.ledger", "search.index"),
                *("transcripts.content_index", "transcripts.sent_files"),
            },
        ),
        ("psycopg2", {"postgres"}),
        (
            "obstore",
            {
                *("archive.bucket", "archive.objects", "archive.ranges", "transcripts.sent_files"),
                *("transcripts.bucket_tables", "transcripts.bucket_claims"),
                "transcripts.bucket_files",
            },
        ),
        ("dagster_docker", {"defs.container_launcher"}),
        ("dagster_ray", {"defs.cluster_steps"}),
        ("ray", {"services.ray_cluster", "services.cluster_node"}),
        ("uvicorn", {"launching.guarded_page", "site.standing"}),
        (
            "starlette",
            {
                *("services.guard", "launching.guarded_page"),
                *(
                    f"site.{name}"
                    for name in ("server", "posted", "scripts", "correcting", "queue")
                ),
            },
        ),
    ],
)
def test_a_library_has_one_door(library: str, door: set[str]) -> None:
    users = {name for name, module in modules().items() if library in roots(module.imports)}
    assert users == door


def test_one_module_prints() -> None:
    """So that no name of a file drives a terminal; ``bootstrap`` prints before that can be had."""
    users = {
        name
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"click.echo", "click.secho", "print", "Console", "Formatter"}
    }
    assert users == {"terminal", "bootstrap", "settings.env_example"}


def test_modules_have_names_that_say_something() -> None:
    assert {part for name in modules() for part in name.split(".")} & NAMELESS == set()


def test_package_files_hold_a_docstring_and_a_version_alone() -> None:
    found = {}
    for path in PACKAGE.rglob("__init__.py"):
        docstring, *rest = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(docstring, ast.Expr)
        found[path.parent.name] = [ast.unparse(node).split(" =")[0] for node in rest]
    # The one exception to "no re-exports", see decision 48: two names for other people's projects.
    door = set(opentr_pipeline._AT_THE_DOOR)
    assert found.pop("opentr_pipeline")[:2] == ["from typing import Any", "__version__"]
    assert door == {"Archive", "build_defs"}
    assert found.keys() == {*ROOMS, "whisper"} - {"ground"}
    assert not any(found.values())


def test_every_module_says_what_it_is() -> None:
    assert [name for name, module in modules().items() if not ast.get_docstring(module.tree)] == []


def num_lines(function: Function) -> int:
    """From ``def`` to the end, the docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def test_functions_are_short() -> None:
    lengths = {
        f"{name}.{function.name}": num_lines(function)
        for name, module in modules().items()
        for function in module.functions
    }
    assert len(lengths) > 150
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES_OF_FUNCTION} == {}
    long = sum(lines > USUAL_LINES_OF_FUNCTION for lines in lengths.values())
    assert long <= len(lengths) / 10


def test_files_are_short() -> None:
    too_long = {
        name: module.num_lines
        for name, module in modules().items()
        if module.num_lines > MAX_LINES_OF_FILE
    }
    assert too_long == {}


def uses_environment(module: Module) -> bool:
    """Whether a module touches the process environment, under any of its names."""
    names = {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)} | {
        name.rpartition(".")[2] for name in module.imports
    }
    return bool(names & {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"})


def test_settings_alone_read_the_environment() -> None:
    users = {name for name, module in modules().items() if uses_environment(module)}
    # How this was called is no setting; the ground and help name commands too.
    assert users == {"settings.environment", "commands", "bootstrap"} | ENVIRONMENT_FORWARDERS


def test_forwarders_read_no_variable_of_the_environment() -> None:
    for name in sorted(ENVIRONMENT_FORWARDERS):
        for node in ast.walk(modules()[name].tree):
            if isinstance(node, ast.Subscript) and "environ" in ast.unparse(node.value):
                assert isinstance(node.ctx, ast.Store), ast.unparse(node)
            if isinstance(node, ast.Call) and "environ." in ast.unparse(node.func):
                assert ast.unparse(node.func) == "os.environ.setdefault"


def test_nothing_happens_on_import() -> None:
    """Except in the code location, which Dagster loads to get its definitions."""
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.If,
        ast.ClassDef,
        Function,
    )
    for name, module in modules().items():
        for node in module.tree.body[1:]:
            said = ast.unparse(node)
            if not isinstance(node, allowed):
                whole_process = (
                    "warnings.filterwarnings(",
                    "gc.",
                    "find_scripts_once()",
                    "fork_runs()",
                    "fork_grandchildren_too()",
                    "read_scripts()",
                )
                assert said.startswith(whole_process), f"{name}: {said}"
