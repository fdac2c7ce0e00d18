"""Addresses of repositories, parsed strictly: what passes reaches git and the network."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

from graph.errors import InvalidRepoUrl

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,99}")
_FULL_NAME = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9._-]+/?")
_LOCAL = re.compile(r"(/|\.{1,2}(/|$)|~/)[^\x00-\x1f\x7f]*")
_MAX_LENGTH = 4096
_SHOWN = 200


@dataclass(frozen=True)
class RepoAddress:
    """A repository below the configured address, or a checkout on this machine (`local`)."""

    owner: str
    name: str
    address: str
    local: Path | None = None

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}" if self.owner else self.name

    @property
    def clone_url(self) -> str:
        return f"{self.address}.git"


def parse(repo_url: str, web: str, *, allow_local: bool) -> RepoAddress:
    """The repository that `repo_url` names below `web`, or here. Raises InvalidRepoUrl.

    OWNER/REPO alone is below `web`; one closing slash is left out.
    """
    if allow_local and _LOCAL.fullmatch(repo_url) and len(repo_url) <= _MAX_LENGTH:
        return _local(repo_url)
    whole = f"{web}/{repo_url}" if _FULL_NAME.fullmatch(repo_url) else repo_url
    prefix, path = whole[: len(web) + 1], whole[len(web) + 1 :].removesuffix("/")
    if prefix.lower() != f"{web}/".lower():
        raise InvalidRepoUrl(f"{_shown(repo_url)} is not below {web}.", _hint(web, allow_local))
    owner, slash, name = path.partition("/")
    name = name.removesuffix(".git")
    if not slash or not _OWNER.fullmatch(owner) or not _is_name(name):
        raise InvalidRepoUrl(
            f"{_shown(repo_url)} does not name a repository.", _hint(web, allow_local)
        )
    return RepoAddress(owner, name, f"{web}/{owner}/{name}")


def is_loopback(host: str) -> bool:
    """Whether a host name or address, one in brackets too, is this machine itself."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _local(text: str) -> RepoAddress:
    expanded = Path(text).expanduser()
    whole = expanded if expanded.is_absolute() else Path.cwd() / expanded
    path = Path(os.path.normpath(whole))
    return RepoAddress("", path.name, str(path), path)


def _is_name(name: str) -> bool:
    dots = not name.strip(".")
    return bool(_NAME.fullmatch(name)) and not dots and not name.lower().endswith(".git")


def _shown(text: str) -> str:
    """The offending value, without a password it may hold."""
    return ascii(re.sub(r"//[^/@]*@", "//…@", text)[:_SHOWN]).replace("\\u2026", "…")


def _hint(web: str, allow_local: bool) -> str:
    hint = f"Give {web}/OWNER/REPO"
    return f"{hint}, or the path of a local checkout." if allow_local else f"{hint}."
