"""Which paths act by themselves, by `acting_paths.toml`; and which files are made from others."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from graph import Severity

_FILE: Final = Path(__file__).with_name("acting_paths.toml")
_PART: Final = re.compile(r"\{([^{}]*)\}|(\*)|([^*{}]+)")


@dataclass(frozen=True)
class PathKind:
    """One kind of path; `allowable` kinds have the name of what a request may allow."""

    rule: str
    message: str
    severity: Severity
    expression: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled at its first use: no run needs it before its gate."""
        return re.compile(self.expression, re.DOTALL)

    @classmethod
    def load(cls, kind: dict[str, Any]) -> "PathKind":
        expression = "|".join(_tool_expression(tool) for tool in kind["tools"])
        return cls(kind["rule"], kind["message"], kind.get("severity", "error"), expression)


def path_expression(path: str) -> str:
    """A path of the file as a regular expression for a whole folded path."""
    begin = r"(?:.*/)?" if path.startswith("**/") else ""
    end = r"(?:/.*)?" if path.endswith("/**") else ""
    return begin + _names_expression(path.removeprefix("**/").removesuffix("/**")) + end


def _names_expression(text: str) -> str:
    return "".join(_part_expression(found) for found in _PART.finditer(text))


def _part_expression(found: re.Match[str]) -> str:
    if found[2]:
        return r"[^/]*"
    if found[3]:
        return re.escape(found[3])
    return _any_of(map(_names_expression, found[1].split(",")))


def _tool_expression(tool: dict[str, Any]) -> str:
    excepted = [path_expression(path) for path in tool.get("except", ())]
    before = f"(?!{_any_of(excepted)}$)" if excepted else ""
    return before + _any_of(map(path_expression, tool["paths"]))


def _any_of(expressions: Iterable[str]) -> str:
    return f"(?:{'|'.join(expressions)})"


_TABLE: Final[dict[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
DATED: Final[date] = _TABLE["dated"]
PATH_KINDS: Final = tuple(PathKind.load(kind) for kind in _TABLE["kinds"])

_LOCKS: Final = {
    "package-lock.json": ("package.json",),
    "npm-shrinkwrap.json": ("package.json",),
    "yarn.lock": ("package.json",),
    "pnpm-lock.yaml": ("package.json", "pnpm-workspace.yaml"),
    "bun.lock": ("package.json",),
    "bun.lockb": ("package.json",),
    "deno.lock": ("deno.json", "deno.jsonc", "package.json"),
    "poetry.lock": ("pyproject.toml",),
    "pdm.lock": ("pyproject.toml",),
    "uv.lock": ("pyproject.toml",),
    "pylock.toml": ("pyproject.toml",),
    "pipfile.lock": ("pipfile",),
    "cargo.lock": ("cargo.toml",),
    "go.sum": ("go.mod",),
    "gemfile.lock": ("gemfile",),
    "composer.lock": ("composer.json",),
    "packages.lock.json": (".csproj", ".fsproj", "directory.packages.props"),
    "gradle.lockfile": ("build.gradle", "build.gradle.kts"),
    "mix.lock": ("mix.exs",),
    "pubspec.lock": ("pubspec.yaml",),
    "package.resolved": ("package.swift",),
    "podfile.lock": ("podfile",),
    "flake.lock": ("flake.nix",),
    ".terraform.lock.hcl": (".tf",),
}


class Manifests:
    """The files of a change that lock files are made from, by the names that they end with."""

    def __init__(self, changed: Iterable[str]) -> None:
        """`changed` are folded paths."""
        self._paths: dict[tuple[str, ...], list[str]] = {names: [] for names in _LOCKS.values()}
        for path in changed:
            name = path.rpartition("/")[2]
            for names, paths in self._paths.items():
                if name.endswith(names):
                    paths.append(path)
        for paths in self._paths.values():
            paths.sort()

    def lack_of(self, path: str) -> bool:
        """Whether a lock file changes though nothing that it is made from does, here or below.

        A workspace's lock lies above the manifests of its packages.
        """
        folder, _, name = path.rpartition("/")
        if (names := _LOCKS.get(name)) is None:
            return False
        below, paths = f"{folder}/" if folder else "", self._paths[names]
        place = bisect_left(paths, below)
        return not (place < len(paths) and paths[place].startswith(below))
