"""Which paths and modes a change may have: what runs elsewhere, and what git itself acts on."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from forge.gate.path_patterns import PATH_KINDS, Manifests
from graph import Severity

GITLINK: Final = "160000"
SYMLINK: Final = "120000"
FILES: Final = ("100644", "100755")
_IGNORED: Final = frozenset(
    (
        *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810)),
        *(*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0x3164),
        *(*range(0xFE00, 0xFE10), 0xFEFF, 0xFFA0, *range(0xFFF0, 0xFFF9)),
        *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
    )
)
"""Unicode's Default_Ignorable_Code_Point: some file systems that fold names leave them out."""
_OF_OTHERS: Final = frozenset((0x200C, 0x200D, *range(0xFE00, 0xFE10)))
"""Those that make signs of the letters beside them, such as an emoji."""
_GIT_LIKE: Final = re.compile(r"(\.git|git~\d+)[. ]*(:.*)?", re.DOTALL)
_DRIVE: Final = re.compile(r"[A-Za-z]:")
"""So begins a path on Windows that leads out of any tree."""
_STEPS: Final = ("", ".", "..")
_ACTED_ON: Final = frozenset((".gitmodules", ".gitattributes", ".gitignore", ".mailmap"))


@dataclass(frozen=True)
class Entry:
    """One changed path of a change; `old_*` is empty where the path is new."""

    path: bytes
    mode: str
    sha: str
    old_mode: str
    old_sha: str

    @property
    def removed(self) -> bool:
        return not self.sha

    @property
    def name(self) -> str:
        return self.path.decode("utf-8", "surrogateescape")


@dataclass(frozen=True)
class Verdict:
    """What a rule says of an entry."""

    rule: str
    message: str
    severity: Severity = "error"


_UNSEEN_NAME: Final = Verdict(
    "hidden_text", "has characters in its name that cannot be seen", "warning"
)


def judge_path(entry: Entry) -> list[Verdict]:
    """What the path alone says; a removed file can be of these kinds too."""
    verdicts = []
    parts = entry.name.split("/")
    if not entry.removed and _has_unseen(entry.name):
        verdicts.append(_UNSEEN_NAME)
    if not entry.removed and any(is_git_like(part) for part in parts):
        verdicts.append(Verdict("git_path", "is or lies in a directory that git acts on"))
    folded = folded_path(entry.name)
    if folded == ".gitmodules" and not entry.removed:
        verdicts.append(Verdict("submodules", "says where submodules come from"))
    kinds = (kind for kind in PATH_KINDS if kind.pattern.fullmatch(folded))
    return verdicts + [Verdict(kind.rule, kind.message, kind.severity) for kind in kinds]


def judge_locks(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Verdict]]:
    """Lock files that change by themselves: what they name can be exchanged without a trace."""
    folded = {entry: folded_path(entry.name) for entry in entries}
    manifests = Manifests(folded.values())
    for entry, path in folded.items():
        if not entry.removed and manifests.lack_of(path):
            message = "changes without the manifest that it is made from"
            yield entry, Verdict("lock_file", message, "warning")


def judge_mode(entry: Entry) -> list[Verdict]:
    """What the entry's kind says."""
    if entry.removed or entry.mode in FILES:
        return []
    if entry.mode == GITLINK:
        return [Verdict("gitlink", "is a repository in the repository (a submodule)")]
    if entry.mode != SYMLINK:
        return [Verdict("mode", f"has the mode {entry.mode}")]
    if PurePosixPath(folded_path(entry.name)).name in _ACTED_ON:
        return [Verdict("symlink", "is a symbolic link where git wants a file")]
    return []


def leaves_tree(path: str, target: str) -> bool:
    """Whether a symbolic link at `path` leads out of the tree, or by an absolute path.

    `..` counts only at the beginning: behind another link it goes up from where that one leads.
    """
    if target.startswith("/") or _DRIVE.match(target) or "\0" in target or "\\" in target:
        return True
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    if ups > path.count("/") or ".." in parts[ups:]:
        return True
    return any(is_git_like(part) for part in parts)


def _has_unseen(name: str) -> bool:
    """Whether a reader takes it for another name, or its line for two."""
    if name.isascii() and name.isprintable():
        return False
    return any(
        (ord(char) in _IGNORED and ord(char) not in _OF_OTHERS)
        or (unicodedata.category(char) in ("Cc", "Zl", "Zp") and char not in "\t\n")
        for char in name
    )


def is_git_like(part: str) -> bool:
    """Whether some file system takes this name for `.git`."""
    return bool(_GIT_LIKE.fullmatch(folded_path(part)))


def folded_path(path: str) -> str:
    """The path as file systems have it that ignore case, what is invisible, and dots at an end."""
    if path.isascii():
        folded = path.lower()
    else:
        visible = "".join(char for char in path if ord(char) not in _IGNORED)
        folded = unicodedata.normalize("NFKC", visible).casefold()
    return "/".join(
        part if part in _STEPS else part.rstrip(" .") or part for part in folded.split("/")
    )
