"""Versions of languages that a repository asks for by files of their own, or in manifests."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from graph import LeftOut
from sandbox.ecosystems.project import Project

_NUMBER: Final = r"v?(\d{1,4}(?:\.\d{1,4}){0,2})"
_FILES: Final = (
    (".python-version", "python", rf"(?:cpython-)?{_NUMBER}"),
    (".ruby-version", "ruby", rf"(?:ruby-)?{_NUMBER}"),
    (".nvmrc", "node", _NUMBER),
    (".node-version", "node", _NUMBER),
    ("go.mod", "go", rf"go {_NUMBER}"),
    ("rust-toolchain.toml", "rustc", rf'channel *= *"{_NUMBER}"'),
    ("rust-toolchain", "rustc", rf'(?:channel *= *)?"?{_NUMBER}"?'),
    ("Gemfile", "ruby", rf"ruby ['\"]{_NUMBER}['\"]"),
)
"""A file, the tool as `Environment.tools` names it, and the line that says the version."""
_ASDF: Final = ".tool-versions"
_ASDF_LINE: Final = re.compile(rf"(\w+) +{_NUMBER}(?: .*)?")
_ASDF_TOOLS: Final = {
    "python": "python",
    "nodejs": "node",
    "node": "node",
    "golang": "go",
    "go": "go",
    "ruby": "ruby",
    "rust": "rustc",
}
_EXACT: Final = frozenset(("python", "ruby"))
"""Tools whose later minor versions do not stand in for earlier ones."""
_MANIFESTS: Final = {
    "python": ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"),
    "node": ("package.json",),
    "go": ("go.mod",),
    "ruby": ("Gemfile",),
    "rustc": ("Cargo.toml",),
}
NO_FOLDERS: Final[Mapping[str, Mapping[str, str]]] = {}
_LONGEST: Final = 20_000
_MEND: Final = (
    "Put one into a folder of CODING_AGENT_TOOL_PATHS, or into the image that commands run in."
)


@dataclass(frozen=True)
class AskedVersion:
    """A version that a file asks for; `folder` is that of its project (empty: the top)."""

    tool: str
    version: str
    file: str
    folder: str = ""

    @property
    def path(self) -> str:
        """Of the file, from the top."""
        return f"{self.folder}/{self.file}" if self.folder else self.file

    def is_met_by(self, found: str) -> bool:
        """Of the same minor version, or of a tool that stays compatible not older."""
        wanted, there = _numbers(self.version), _numbers(found)
        if self.tool in _EXACT:
            return there[: min(len(wanted), 2)] == wanted[:2]
        return there[: len(wanted)] >= wanted


def asked_versions(project: Project) -> tuple[AskedVersion, ...]:
    """Of each tool whose manifest is there, as the first file says it that names one."""
    found: dict[str, AskedVersion] = {}
    for asked in _all_asked(project):
        if project.has(*_MANIFESTS[asked.tool]):
            found.setdefault(asked.tool, asked)
    return tuple(found.values())


def asked_version(project: Project, tool: str) -> str:
    """The version of a tool that is asked for; empty where none is."""
    return next((each.version for each in _all_asked(project) if each.tool == tool), "")


def unmet(
    asked: Iterable[AskedVersion],
    tools: Mapping[str, str],
    by_folder: Mapping[str, Mapping[str, str]] = NO_FOLDERS,
) -> tuple[LeftOut, ...]:
    """What is asked for and not there, with what is; nothing where no tool is known.

    A folder without tools of its own has those of the nearest above it, `tools` at the top.
    """
    left: list[LeftOut] = []
    for each in asked if tools else ():
        there = {**tools, **_tools_in(each.folder, by_folder)}
        if not each.is_met_by(there.get(each.tool, "0")):
            left.append(LeftOut(what=f"{each.tool} {each.version}", why=_why(each, there)))
    return tuple(left)


def _tools_in(folder: str, by_folder: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    while folder and folder not in by_folder:
        folder = folder.rpartition("/")[0]
    return by_folder.get(folder, {})


def _why(asked: AskedVersion, tools: Mapping[str, str]) -> str:
    there = f"{tools[asked.tool]} is there" if asked.tool in tools else "none is there"
    return f"`{asked.path}` asks for it; {there}. {_MEND}"


def _all_asked(project: Project) -> Iterator[AskedVersion]:
    for file, tool, line in _FILES:
        if found := _first(project.text(file), line):
            yield AskedVersion(tool, found, file, project.folder)
    for text in project.text(_ASDF)[:_LONGEST].splitlines():
        match = _ASDF_LINE.fullmatch(text.strip())
        if match and match[1] in _ASDF_TOOLS:
            yield AskedVersion(_ASDF_TOOLS[match[1]], match[2], _ASDF, project.folder)


def _first(text: str, line: str) -> str:
    pattern = re.compile(line)
    matches = (pattern.fullmatch(each.strip()) for each in text[:_LONGEST].splitlines())
    return next((match[1] for match in matches if match), "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part[:9]) for part in re.findall(r"\d+", version[:60]))
