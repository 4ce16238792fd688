"""What becomes of the recordings that were under way on a host that is gone: nothing is held."""

import re
from pathlib import Path

from opentr_pipeline.planning.plan import load_plan, plan_file
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.store import TranscriptStore


def forgive(output: Path, run_id: str, step: str) -> None:
    """Take back the attempts that a step had begun; a recording that kills its process keeps them.

    What nobody works on and has no outcome may have been under way. A death that one of those had
    before is forgiven with it, since nothing says which of two was the last.

    Args:
        output: where the tables are.
        run_id: Dagster's name of the run.
        step: its key, such as ``transcripts.transcribe_shard[s00012]``.
    """
    found = re.search(r"\[s(\d+)\]$", step)
    store = TranscriptStore(output)
    if not found:
        return
    checkpoints = Checkpoints(store.inner)
    for item in load_plan(plan_file(store.inner, run_id)).shards[int(found[1])]:
        if not checkpoints.num_attempts(item.content) or checkpoints.has(item.content):
            continue
        claim = checkpoints.lock(item.content)
        if claim is not None:
            checkpoints.withdraw_attempt(item.content)
            claim.release()
