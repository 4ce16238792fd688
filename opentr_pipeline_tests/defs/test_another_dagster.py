"""Archives in other people's Dagster: definitions that merge, the component, a project with dg."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.core.component_tree import ComponentTreeException
from dagster.components.testing import create_defs_folder_sandbox

import opentr_pipeline
from opentr_pipeline import definitions
from opentr_pipeline.errors import SettingsError
from opentr_pipeline.settings.environment import Settings
from opentr_pipeline.settings.installation import PROJECT_ROOT
from opentr_pipeline.transcripts.schemas import SCHEMAS, describe
from opentr_pipeline_tests.runs import SPEECH, make_archive

Build = Callable[..., dg.Definitions]
build_defs: Build = opentr_pipeline.build_defs
OURS = {"media", "recordings", "transcripts", "subtitles", "pages", "search_index"} | {
    "archive_report",
    "speakers",
}


def keys(defs: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_all_asset_keys()}


def spec_of(defs: dg.Definitions, key: str) -> dg.AssetSpec:
    return next(one for one in defs.resolve_all_asset_specs() if one.key.to_user_string() == key)


@pytest.mark.slow
def test_the_package_imports_no_dagster_until_somebody_asks_for_it() -> None:
    code = (
        "import sys, opentr_pipeline; assert 'dagster' not in sys.modules; "
        "opentr_pipeline.Archive; assert 'dagster' in sys.modules; "
        "assert {'Archive', 'build_defs'} <= set(dir(opentr_pipeline))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'Tape'"):
        opentr_pipeline.Tape  # noqa: B018


def test_two_archives_and_what_others_have_fit_into_one_code_location(tmp_path: Path) -> None:
    @dg.asset(deps=[dg.AssetKey(["tapes", "transcripts"])])
    def pages() -> None: ...

    theirs = dg.Definitions(
        assets=[pages],
        jobs=[dg.define_asset_job("transcribe_archive", selection="pages")],
        resources={"io_manager": dg.mem_io_manager, "transcription": "theirs"},
        executor=dg.in_process_executor,
    )
    archives = [
        build_defs(tmp_path / name, name, output_dir=tmp_path / f"out-{name}")
        for name in ("tapes", "radio")
    ]
    merged = dg.Definitions.merge(theirs, *archives)
    dg.Definitions.validate_loadable(merged)
    assert keys(merged) == {"pages", *(f"{one}/{k}" for one in ("tapes", "radio") for k in OURS)}
    repository = merged.get_repository_def()
    assert {one.name for one in repository.sensor_defs} == {
        f"{archive}__{name}" for archive in ("tapes", "radio") for name in ("uploads", "refreshes")
    }
    assert {one.name for one in repository.schedule_defs} == {"tapes__nights", "radio__nights"}
    job = merged.resolve_job_def("tapes__transcribe_archive")
    ops = {node.name for node in job.all_node_defs}
    assert "tapes__transcribe_shard" in ops
    assert all(name.startswith("tapes__") for name in ops)
    assert job.partitions_def == dg.DynamicPartitionsDefinition(name="tapes__archive")
    (step,) = (node for node in job.all_node_defs if node.name == "tapes__transcribe_shard")
    assert step.pool == "tapes__gpu"  # type: ignore[attr-defined]
    # What steps hand on does not go where they keep their assets' values.
    outputs = {out.io_manager_key for node in job.all_node_defs for out in node.output_defs}
    assert "tapes__handed_on" in outputs
    assert job.resource_defs["tapes__handed_on"] is not job.resource_defs["io_manager"]


def test_what_an_instance_remembers_of_the_environments_archive_stays() -> None:
    repository = definitions.defs.get_repository_def()
    assert keys(definitions.defs) == OURS
    assert {one.name for one in repository.sensor_defs} == {"uploads", "refreshes"}
    job = definitions.defs.resolve_job_def("transcribe_archive")
    ops = {node.name for node in job.all_node_defs}
    assert {"plan_shards", "transcribe_shard", "publish_transcripts", "judge_transcripts"} <= ops
    assert job.executor_def.name == "worker_slots"
    assert job.partitions_def == dg.DynamicPartitionsDefinition(name="archive")


def test_the_environment_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), "not possible \udcff")
    made = build_defs(tmp_path / "tapes", "tapes", output_dir="out", whisper_beam_size=3)
    resources = made.resources or {}
    assert resources["tapes__transcription"].whisper_beam_size == 3
    assert resources["tapes__transcription"].whisper_model == "auto"
    assert made.executor is None
    assert build_defs(tmp_path, output_dir="out", with_executor=True).executor is not None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"whisper_beam_size": 99}, "WHISPER_BEAM_SIZE must be 1..20, got '99'"),
        ({"whisper_modell": "base"}, "whisper_modell is not a setting; did you mean whisper_model"),
        ({"asset_owners": ["somebody"]}, "ASSET_OWNERS must be addresses of people, or teams"),
        ({"asset_tags": {"two words": "x"}}, "ASSET_TAGS must be names with values"),
        ({"key_prefix": "a-b"}, "key_prefix must be letters, digits and _"),
        ({"key_prefix": 5}, "key_prefix must be letters, digits and _, or a list of such, got 5."),
        ({"key_prefix": [1]}, "key_prefix must be letters, digits and _, or a list of such, got 1"),
        ({"archive": ""}, "archive must be the folder that holds all media, got ''"),
        ({"archive": None}, "archive must be the folder that holds all media, got None"),
        ({"archive": "auto"}, "archive must be the folder that holds all media, got 'auto'"),
        ({"archive_dir": "/radio"}, "archive_dir=/radio is a second archive beside tapes"),
        ({"output_dir": None}, "output_dir must be the folder for the tables of tapes"),
        ({"output_dir": "auto"}, "output_dir must be the folder for the tables of tapes"),
    ],
)
def test_a_refusal_is_the_settings_own_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build_defs(**{"archive": "tapes", "output_dir": "out", **given})
    assert said in str(caught.value)


def test_paths_start_where_the_definitions_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = spec_of(build_defs("folder/../tapes", output_dir="out"), "media").metadata["dagster/uri"]
    assert uri == (tmp_path / "tapes").as_uri()


def test_the_page_is_told_of_every_asset_once(tmp_path: Path) -> None:
    given = {"asset_owners": ["team:sound", "a@b.example"], "asset_tags": {"domain": "radio"}}
    defs = build_defs(tmp_path, ["radio", "old"], output_dir="out", fresh_days=3, **given)
    specs = {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs()}
    assert specs.keys() == OURS
    for name, spec in specs.items():
        assert spec.owners == ["team:sound", "a@b.example"]
        assert spec.tags["domain"] == "radio"
        assert spec.kinds
        assert spec.group_name == "radio__old__archive"
        assert ("dagster/code_references" in spec.metadata) == (name != "media")
    follows = {name for name, spec in specs.items() if spec.freshness_policy}
    assert follows == OURS - {"media", "recordings", "transcripts", "speakers"}
    assert [dep.asset_key.path[-1] for dep in specs["recordings"].deps] == ["media"]
    assert not defs.resolve_asset_graph().get(specs["media"].key).is_executable


def test_tables_show_their_columns_and_where_these_come_from(tmp_path: Path) -> None:
    defs = build_defs(tmp_path, "radio", output_dir="out")
    said = spec_of(defs, "radio/transcripts").metadata
    for key, table in (
        ("dagster/column_schema", "transcripts"),
        ("segments_columns", "segments"),
        ("words_columns", "words"),
    ):
        found = [(one.name, one.type, one.description) for one in said[key].columns]
        assert found == describe(table)
    deps = said["dagster/column_lineage"].value.deps_by_column
    assert set(deps) < set(SCHEMAS["transcripts"].names) & set(SCHEMAS["recordings"].names)
    (origin,) = deps["media_fingerprint"]
    assert origin == dg.TableColumnDep(dg.AssetKey(["radio", "recordings"]), "media_fingerprint")


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"settings": {"whisper_beam_size": 99}}, "WHISPER_BEAM_SIZE must be 1..20, got '99'"),
        ({"settings": {"whisper_modell": "b"}}, "did you mean whisper_model?"),
        ({"settings": {"output_dir": "o"}, "key_prefix": "a b"}, "key_prefix must be letters"),
        ({"archive": ""}, "archive must be the folder that holds all media, got ''"),
        ({}, "output_dir must be the folder for the tables of media"),
    ],
)
def test_a_component_is_refused_with_the_same_sentences(
    attributes: dict[str, Any], said: str
) -> None:
    with create_defs_folder_sandbox() as sandbox:
        sandbox.scaffold_component(
            component_cls=opentr_pipeline.Archive,
            defs_path="tapes",
            defs_yaml_contents={
                "type": "opentr_pipeline.Archive",
                "attributes": {"archive": "media", **attributes},
            },
        )
        with pytest.raises(ComponentTreeException) as caught, sandbox.build_all_defs():
            pass
    chain, error = [], caught.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__  # type: ignore[assignment]
    assert said in "\n".join(chain)


def test_both_files_of_the_checkout_lead_to_the_same_definitions() -> None:
    block = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    (place,) = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text())["load_from"]
    assert block["code_location_target_module"] == place["python_module"]
    # Sensors and schedules are remembered by the location's name, which is the module's by default.
    assert block["code_location_name"] == place["python_module"]


SHOP = """\
import dagster as dg

class Nowhere(dg.IOManager):
    def handle_output(self, context, value):
        assert value is None or context.asset_key.path == ["price"], "ours alone"
    def load_input(self, context):
        raise AssertionError("nothing of ours is read")

@dg.asset
def price() -> int:
    return 3

@dg.definitions
def defs():
    job = dg.define_asset_job("set_price", selection="price")
    return dg.Definitions([price], jobs=[job], resources={"io_manager": Nowhere()})
"""
ENTRY = """\
from pathlib import Path
from dagster import definitions, load_from_defs_folder

@definitions
def defs():
    return load_from_defs_folder(path_within_project=Path(__file__).parent)
"""
BLOCK = """\
[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "shop"
"""


class Shop:
    """A project of somebody else, with an asset and a job, and two archives by component."""

    def __init__(self, folder: Path, models_root: Path) -> None:
        self.folder = folder
        files = {"shop/__init__.py": "", "shop/defs/__init__.py": "", "shop/defs/prices.py": SHOP}
        files |= {"shop/definitions.py": ENTRY, "pyproject.toml": BLOCK, "home/dagster.yaml": ""}
        for number, name in enumerate(("tapes", "radio")):
            make_archive(folder / name, {"a/one.wav": SPEECH[number]})
            settings = {"models_dir": str(models_root), "whisper_model": "base"}
            settings |= {"output_dir": f"../../../out-{name}", "opentr_home": "../../../state"}
            archive = {"archive": f"../../../{name}", "key_prefix": name, "settings": settings}
            declared = {"type": "opentr_pipeline.Archive", "attributes": archive}
            files[f"shop/defs/{name}/defs.yaml"] = yaml.safe_dump(declared)
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def dg(self, *arguments: str) -> str:
        program = Path(sys.executable).with_name("dg")
        environ = {name: os.environ[name] for name in ("PATH", "HOME")}
        environ |= {"DAGSTER_HOME": str(self.folder / "home"), "COLUMNS": "200"}
        environ |= {"PYTHONPATH": str(self.folder), "VIRTUAL_ENV": sys.prefix}
        done = subprocess.run(
            [program, *arguments],
            check=False,
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.mark.slow
def test_a_project_of_somebody_else_transcribes_two_archives(
    tmp_path: Path, models_root: Path
) -> None:
    shop = Shop(tmp_path, models_root)
    assert "opentr_pipeline.Archive" in shop.dg("list", "components")
    shop.dg("check", "yaml")
    shop.dg("check", "defs")
    listed = json.loads(shop.dg("list", "defs", "--json"))
    found = {one["asset_key"] for one in listed["assets"]}
    assert found == {"price", *(f"{one}/{key}" for one in ("tapes", "radio") for key in OURS)}
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        for name in ("tapes", "radio"):
            instance.add_dynamic_partitions(f"{name}__archive", ["a"])
    theirs = tmp_path / "home" / "storage" / "kept_for_years"
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("of an asset of theirs")
    os.utime(theirs, (0, 0))
    shop.dg("launch", "--job", "set_price")
    for name in ("tapes", "radio"):
        chosen = f"{name}/recordings,{name}/transcripts,{name}/subtitles"
        shop.dg("launch", "--assets", chosen, "--partition", "a")
        (text,) = (tmp_path / f"out-{name}" / "exports").rglob("*.txt")
        assert len(text.read_text().split()) > 10
    assert theirs.exists()
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        for name in ("tapes", "radio"):
            for asset in ("recordings", "transcripts", "subtitles"):
                key = dg.AssetKey([name, asset])
                assert instance.get_materialized_partitions(key) == {"a"}
            assert instance.get_latest_materialization_event(dg.AssetKey("transcripts")) is None
