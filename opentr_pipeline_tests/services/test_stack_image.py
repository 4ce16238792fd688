"""What the image is built of."""

import re
from pathlib import Path

import pytest

from opentr_pipeline.services.stack_image import build_context
from opentr_pipeline.settings import installation
from opentr_pipeline.settings.installation import PROJECT_ROOT


@pytest.fixture(params=["checkout", "installed"])
def context_is(request: pytest.FixtureRequest, tmp_path: Path) -> "pytest.MonkeyPatch | None":
    if request.param == "checkout":
        return None
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr(installation, "PROJECT_ROOT", tmp_path)
    return monkeypatch


@pytest.mark.usefixtures("context_is")
def test_everything_that_the_image_copies_is_there() -> None:
    text = (PROJECT_ROOT / "docker" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    assert len(copied) > 3
    with build_context() as folder:
        assert [name for name in copied if not (folder / name).exists()] == []
        assert (folder / "docker" / "Dockerfile").is_file()
        assert (folder / "opentr_pipeline" / "cli" / "app.py").is_file()
        is_ours = folder == PROJECT_ROOT
    assert folder.exists() is is_ours
