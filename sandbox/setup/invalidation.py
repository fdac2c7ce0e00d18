"""Whether a change can alter what set-up makes: then its trees need a set-up of their own.

Installing what manifests and lock files name reads those alone. Any other command, such as a
build, may read every file. Doubt asks for a set-up of its own: that costs time, never a wrong tree.
"""

import re
import shlex
from collections.abc import Iterable
from typing import Final

from graph import FolderCommand
from sandbox.core.protocol import Sandbox

_INSTALLS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:\S*/)?(?:python[\d.]* -m )?pip[\d.]* install .+",
        r"(?:\S*/)?python[\d.]* -m venv \S+",
        r"PYTHONPATH=/tmp/locker python3 -m (?:uv|poetry) export .+|rm -r /tmp/locker",
        r"(?:npm|pnpm|yarn|bun) (?:ci|i|install)(?: -\S+)*|yarn",
        r"go mod download|cargo fetch(?: --locked)?",
        r"bundle (?:install|config set \S+ \S+ \S+)",
        r"uv sync(?: -\S+)*|poetry install(?: -\S+)*",
    )
)
_MANIFEST: Final = re.compile(
    rb"[^/]*requirements[^/]*\.(?:txt|in)|[^/]*constraints[^/]*\.txt|pyproject\.toml|setup\.(?:py|cfg)"
    rb"|(?:uv|poetry|pdm|Cargo|Gemfile|yarn|bun)\.lock|Pipfile(?:\.lock)?|bun\.lockb|MANIFEST\.in"
    rb"|package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-(?:lock|workspace)\.yaml|\.pnpmfile\.cjs"
    rb"|\.npmrc|\.yarnrc(?:\.yml)?|go\.(?:mod|sum|work|work\.sum)|Cargo\.toml|Gemfile|[^/]*\.gemspec"
    rb"|\.(?:python|node|ruby)-version|\.nvmrc|[^/]*\.patch|config\.toml"
)
_FILE: Final = re.compile(
    rb"^(?:diff --git |--- |\+\+\+ |rename (?:from|to) |copy (?:from|to) )(.*)$", re.MULTILINE
)
_SHELL: Final = frozenset("|;<>`$(){}*?!\n")
_LIFECYCLE: Final = r'"(pre|post)?(prepare|install|prepublish)"[[:space:]]*:'
"""A script of a package.json that installing runs: it may read every file."""


def needs_own(commands: tuple[FolderCommand, ...], patch: bytes) -> bool:
    """Whether this change may make a difference to what the commands make."""
    parts = [part.strip() for command in commands for part in command.command.split("&&")]
    if not all(_installs(part) for part in parts):
        return True
    named = {word.encode() for part in parts for word in _paths(part)}
    return any(_touches(line, named) for line in _FILE.findall(patch))


def read_by_setup(commands: tuple[FolderCommand, ...], paths: Iterable[str]) -> list[str]:
    """Those of the paths that set-up reads: manifests, lock files, and files that it names."""
    named = {word.encode() for command in commands for word in _paths(command.command)}
    return [path for path in paths if commands and _is_read(path.encode(), named)]


async def has_scripts(sandbox: Sandbox, commands: tuple[FolderCommand, ...]) -> bool:
    """Whether installing also runs scripts of the repository's own packages."""
    if not any(re.search(r"\b(?:npm|pnpm|yarn|bun)\b", command.command) for command in commands):
        return False
    found = await sandbox.run(f"git grep -qE '{_LIFECYCLE}' -- package.json '*/package.json'")
    return found.exit_code != 1


def _installs(command: str) -> bool:
    if _SHELL & set(command) or not any(form.fullmatch(command) for form in _INSTALLS):
        return False
    try:
        words = shlex.split(command, posix=False)
    except ValueError:  # a quote without its end
        return False
    local = [word for word in words if re.match(r"['\"]?\.{0,2}/|['\"]?\.+(?:\[|$)", word)]
    # From a folder, pip copies the code as it is; linked ("-e") it sees what changes later.
    return "install" not in words or all(_is_linked(words, word) for word in local)


def _is_linked(words: list[str], word: str) -> bool:
    before = words[words.index(word) - 1]
    return before in ("-e", "--editable", "-r", "--requirement", "-c", "--cert", "--target")


def _paths(command: str) -> list[str]:
    """Words that may name files, by their last part."""
    words = re.split(r"[\s=\"']+", command)
    return [word.rpartition("/")[2] for word in words if re.search(r"\w\.\w", word)]


def _touches(line: bytes, named: set[bytes]) -> bool:
    """Whether a line of the patch's heads names what set-up reads; a quoted name may be any."""
    if b'"' in line:
        return True
    return any(_is_read(part, named) for part in line.split())


def _is_read(path: bytes, named: set[bytes]) -> bool:
    name = path.rpartition(b"/")[2]
    return name in named or _MANIFEST.fullmatch(name) is not None
