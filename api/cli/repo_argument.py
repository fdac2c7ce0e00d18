"""What `--repo` names: a repository's address, or a git checkout on this machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RepoArgument:
    """`address` is a URL, or the absolute path of a checkout's top folder when `local`."""

    address: str
    local: bool


def resolve_repo(text: str) -> RepoArgument:
    """Raises ValueError where `text` is neither; whether a URL fits is for the service to say."""
    if "://" in text:
        return RepoArgument(text, local=False)
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise ValueError(
            f"{text!r} is no folder of this machine. "
            "Give a checkout's path or an address such as https://github.com/OWNER/REPO."
        )
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return RepoArgument(str(folder), local=True)
    if (path / "HEAD").is_file() and (path / "objects").is_dir():
        return RepoArgument(str(path), local=True)
    raise ValueError(f"{text!r} is no git checkout.")
