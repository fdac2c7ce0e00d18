"""The bundled sample: a small repository and what is asked of it."""

import shutil
from importlib import resources
from pathlib import Path
from typing import Final

from demo.git import git

NAME: Final = "demo/tinybill"
BRANCH: Final = "main"
REQUEST: Final = (
    "Let an invoice carry a discount in percent, taken off before tax and shown on its own line."
)

_AUTHOR: Final = "Tinybill <tinybill@example.com>"
_DATE: Final = "2026-01-05T09:00:00+00:00"
_IDENTITY: Final = {
    f"GIT_{role}_{name}": value
    for role in ("AUTHOR", "COMMITTER")
    for name, value in (
        ("NAME", _AUTHOR.partition(" <")[0]),
        ("EMAIL", _AUTHOR.partition(" <")[2].rstrip(">")),
        ("DATE", _DATE),
    )
}


def make_sample(folder: Path) -> Path:
    """A git repository of the sample in the new `folder`: always the same commit."""
    with resources.as_file(resources.files("demo") / "sample") as files:
        shutil.copytree(files, folder, ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "--quiet", f"--initial-branch={BRANCH}")
    git(folder, "add", "--all")
    message = "Print invoices from plain text files"
    git(folder, "commit", "--quiet", "--message", message, **_IDENTITY)
    return folder
