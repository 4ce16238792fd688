"""What a reset says that it does not do itself."""

import dataclasses
from pathlib import Path

import pytest

from opentr_pipeline.errors import ServiceError
from opentr_pipeline.launching import reset
from opentr_pipeline.settings.addresses import BucketAddress
from opentr_pipeline.settings.workspace import Workspace
from opentr_pipeline.transcripts.checkpoints import Checkpoints
from opentr_pipeline.transcripts.kept_heard import KeptHeard
from opentr_pipeline.transcripts.layout import StoreLayout
from opentr_pipeline_tests.making import content, transcript


def test_nobody_is_told_to_make_a_database_anew_that_holds_what_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reset, "files_database", lambda workspace: None)
    here = Workspace(
        tmp_path / "archive",
        tmp_path / "output",
        tmp_path / "home",
        tmp_path / "models",
        tmp_path / "slots",
        database="postgresql://host/name",
        output_bucket=BucketAddress("s3://b/t"),
    )
    inner = StoreLayout(here.output).inner
    KeptHeard(inner).keep(transcript("given"))
    with pytest.raises(
        ServiceError, match=r"heard of 1 recording .*, remove s3://b/t/.store/claims, and"
    ):
        reset.check_possible(here)
    Checkpoints(inner).save(transcript("sound"))
    with pytest.raises(ServiceError, match=r"of 1 recording, .*; publish them with run before"):
        reset.check_possible(here)
    Checkpoints(inner).drop(content("sound"))
    in_folder = dataclasses.replace(here, output_bucket=None)
    with pytest.raises(ServiceError, match=f"anew, remove {here.output}/.store/claims, and start"):
        reset.check_possible(in_folder)
