"""What the image of the production stack is built of, in a checkout and without one."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import opentr_pipeline
from opentr_pipeline.settings.installation import PROJECT_ROOT, is_checkout, stock


@contextmanager
def build_context() -> Iterator[Path]:
    """The folder with all that ``docker/Dockerfile`` copies: the checkout, or one like it.

    An installed package makes one for as long as the image is built: of what it brings (see
    ``installation.stock``), and of itself.
    """
    if is_checkout():
        yield PROJECT_ROOT
        return
    with TemporaryDirectory(prefix="opentr-image-") as folder:
        shutil.copytree(stock(""), folder, dirs_exist_ok=True)
        package = Path(opentr_pipeline.__file__).parent
        copied = Path(folder, package.name)
        shutil.copytree(package, copied, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)
