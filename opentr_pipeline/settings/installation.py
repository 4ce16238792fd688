"""Where the program itself is, in a checkout or installed, and the files that it brings.

``stock/`` holds links to files that stand at the top of a checkout; a wheel has the files in their
place, so that there is one of each and one way to find them.
"""

from pathlib import Path

from opentr_pipeline.errors import SettingsError

# The folder that holds the package: the checkout's root, where it is in one.
PROJECT_ROOT = Path(__file__).resolve().parents[2]
# Not by importlib.resources, which costs each command and step 20 ms; wheels are unpacked.
STOCK = Path(__file__).resolve().parents[1] / "stock"
# Kept beside the rest of a checkout, as it has always been.
HOME_IN_CHECKOUT = ".opentr"
HOME_NAME = "opentr"


def is_checkout() -> bool:
    """Whether the package is used where it is developed, not as an installed one."""
    return (PROJECT_ROOT / "opentr.sh").is_file()


def call_folder() -> Path:
    """Where ``.env`` is read and relative paths start: the checkout's root, else the folder here.

    Raises:
        SettingsError: the folder here was deleted.
    """
    if is_checkout():
        return PROJECT_ROOT
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SettingsError("The folder that this is called in is gone; go to another.") from None


def usual_home(data_home: str | None) -> Path:
    """Where state is kept unless somebody says otherwise.

    Args:
        data_home: the variable ``XDG_DATA_HOME``.
    """
    if is_checkout():
        return PROJECT_ROOT / HOME_IN_CHECKOUT
    # A relative one is to be ignored. Source: XDG Base Directory Specification 0.8.
    named = Path(data_home or "")
    return (named if named.is_absolute() else Path.home() / ".local" / "share") / HOME_NAME


def example_file() -> str:
    """Where every setting stands with default, range and meaning, for sentences."""
    return ".env.example" if is_checkout() else str(stock("env.example"))


def installing(extra: str = "") -> str:
    """How to install what is missing, for sentences.

    Args:
        extra: of ``pyproject.toml``.
    """
    extras = f"[{extra}]" * bool(extra)
    if is_checkout():
        return f".venv/bin/pip install -e '.{extras}'"
    return f"pip install 'opentr-pipeline{extras}'"


def stock(name: str) -> Path:
    """A file or folder that comes with the program, such as ``workspace.yaml``."""
    return (STOCK / name).resolve()
