"""What `--repo` names: a repository's address, or a git checkout on this machine."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SHOWN: Final = 200
_FULL_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+/?")


@dataclass(frozen=True)
class RepoArgument:
    """`address` is a URL, OWNER/REPO, or the absolute path of a checkout when it is `local`."""

    address: str
    local: bool


def resolve_repo(text: str) -> RepoArgument:
    """Raises ValueError where `text` is neither; whether a URL fits is for the service to say."""
    if "://" in text:
        return RepoArgument(text, local=False)
    try:
        path = Path(text).expanduser().resolve()
        is_there = path.exists()
    except FileNotFoundError:
        if _FULL_NAME.fullmatch(text):
            return RepoArgument(text, local=False)
        raise ValueError("The working directory is no more: change to another one.") from None
    except (OSError, RuntimeError, ValueError):
        raise ValueError(f"{text[:_SHOWN]!r} is no path of this machine.") from None
    if not is_there and _FULL_NAME.fullmatch(text):
        return RepoArgument(text, local=False)
    if not path.is_dir():
        raise ValueError(
            f"{text!r} is no folder of this machine. "
            "Give a checkout's path, an address such as https://github.com/OWNER/REPO, "
            "or OWNER/REPO alone."
        )
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return RepoArgument(str(folder), local=True)
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return RepoArgument(str(path), local=True)
    raise ValueError(f"{text!r} is no git checkout.")
