"""Makes what lies beside this file, with the code of 0.1.0 as it was before its modules moved.

It was run once, in a checkout of the commit 9f3ebb2, and needs that: nothing of today is imported.

    git worktree add --detach BEFORE 9f3ebb2
    cd BEFORE && PYTHONPATH=. PYTHON THIS_FILE

The archive is seven tones, made by ``making.wav`` here and there alike; no speech is in it.
"""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

from opentr_pipeline.checkpoints import Checkpoints
from opentr_pipeline.heard import Heard
from opentr_pipeline_tests.test_work import OPTIONS, World

from opentr_pipeline import archive_facts, report_facts
from opentr_pipeline.exports import SUBTITLE_FORMATS, Export
from opentr_pipeline_tests.making import settings_of, transcript, wav

HERE = Path(__file__).parent
LATER = {"radio/4.wav": "checkpoint", "radio/5.wav": "heard", "radio/6.wav": "attempts"}


def tones(archive: Path, names: list[str], lowest_hz: float) -> None:
    for number, name in enumerate(names):
        wav(archive / name, pitch_hz=lowest_hz + 50 * number)


def make(folder: Path) -> None:
    world = World(folder)
    tones(world.archive, ["radio/1.wav", "radio/2.wav", "film/3.wav", "film/bad.wav"], 300.0)
    for key, found in world.recordings().items():
        world.store.write_recordings(key, found)
    world.run(failing=["film/bad.wav"])
    export = Export(world.store, world.store.root / "exports", SUBTITLE_FORMATS, world.settings)
    for key in ("film", "radio"):
        export.write(key)
    archive_facts.archive_facts(world.settings, [])
    report_facts.report_facts(world.settings)
    tones(world.archive, list(LATER), 500.0)
    plan = world.plan()
    plan.save(world.store.inner / "plans" / "run-before.pickle")
    kept = Checkpoints(world.store.inner)
    for shard in plan.shards:
        for item in shard:
            state = LATER.get(item.media_file.path)
            content = dict(
                zip(("media_fingerprint", "settings_fingerprint"), item.content, strict=True)
            )
            whole = transcript(text=f"said in {item.media_file.path}")
            if state == "checkpoint":
                kept.save(dataclasses.replace(whole, **content))
            if state in ("heard", "attempts"):
                kept.begin_attempt(item.content)
            if state == "heard":
                kept.keep_heard(
                    item.content, [Heard(0, None, 2.0, "en", 0.75, 0.5, whole.segments)]
                )
    shutil.rmtree(HERE / "output", ignore_errors=True)
    shutil.copytree(world.store.root, HERE / "output", symlinks=True)
    shutil.rmtree(HERE / "output/.store/locks")


def places() -> dict[str, str]:
    settings = settings_of(
        ARCHIVE_DIR="/srv/media/radio", STATE_DIR="/srv/state", OUTPUT_DIR="/srv/output"
    )
    return {
        "output": str(settings.output_root),
        "home": str(settings.state_root),
        "models": str(settings.models_root),
        "dagster_home": str(settings.dagster_home),
        "uploads_ledger": str(settings.dagster_home.parent / "uploads.sqlite"),
        "probe_memory": str(settings.state_root / "probes.sqlite"),
        "benchmarks": str(settings.state_root / "bench"),
        "stack_state": str(settings.state_root / "prod" / settings.archive_slug),
    }


with tempfile.TemporaryDirectory() as made:
    make(Path(made))
facts = {"settings_fingerprint": OPTIONS.settings_fingerprint, "places": places()}
(HERE / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
