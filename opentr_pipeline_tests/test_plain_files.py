"""Files and folders that others may reach."""

import os
import stat
from pathlib import Path

import pytest

from opentr_pipeline.plain_files import private_folder


@pytest.mark.parametrize(
    ("before", "after"),
    [(0o755, 0o700), (0o2775, 0o2770), (0o750, 0o750), (0o700, 0o700)],
)
def test_a_private_folder_that_an_earlier_release_left_open_is_closed(
    tmp_path: Path, before: int, after: int
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(before)
    assert stat.S_IMODE(private_folder(folder).stat().st_mode) == after


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_user_is_left_as_he_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o755)
    os.chown(folder, 4321, 4321)
    assert stat.S_IMODE(private_folder(folder).stat().st_mode) == 0o755
