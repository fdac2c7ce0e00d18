"""Reading the facts of a repository from the objects of its base, in a tree of it.

Two commands: the first lists names, the second prints the contents of those that are worth it.
No file of the work tree is needed, and what was done to it before does not matter.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from graph import Base
from graph.errors import SandboxError
from sandbox.core.protocol import ExecResult, Sandbox
from sandbox.discovery.repository_facts import Facts

_OUTPUT_BYTES: Final = 3_500_000
_MOST_READ = 200
_LONGEST_FILE = 65536
_TOLD = 1000

# Patterns of names for grep -E and for Python alike.
_READ = (
    r"pyproject\.toml|setup\.cfg|tox\.ini|noxfile\.py|\.?mypy\.ini|requirements\.txt"
    r"|(dev|test|tests)-requirements\.txt|requirements-(dev|test|tests)\.txt"
    r"|package\.json|tsconfig\.json|GNUmakefile|[Mm]akefile|Cargo\.toml|pom\.xml"
    r"|Gemfile|Rakefile|[^/]*\.gemspec|\.gitlab-ci\.yml|\.pre-commit-config\.yaml"
    r"|\.coding-agent\.toml|workflows/[^/]*\.ya?ml"
)
_SEEN = (
    r"\.?pytest\.ini|setup\.py|tox\.toml|\.?ruff\.toml|\.flake8|pyrightconfig\.json"
    r"|package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?"
    r"|eslint\.config\.[cm]?[jt]s|\.eslintrc|\.eslintrc\.[a-z]+"
    r"|uv\.lock|poetry\.lock|go\.sum|Cargo\.lock|Gemfile\.lock|\.yarnrc\.yml"
    r"|go\.mod|\.golangci\.(ya?ml|toml|json)|\.?(clippy|rustfmt)\.toml"
    r"|mvnw|gradlew|(build|settings)\.gradle(\.kts)?"
    r"|\.rspec|spec/spec_helper\.rb|bin/rails|\.rubocop\.yml"
)
_STRUCTURE = r"__init__\.py|conftest\.py|src/[^/]*\.py"
_BLOB = re.compile(rb"(?P<id>[0-9a-f]+) blob (?P<size>[0-9]{1,9})\n")
_WANTED = re.compile(rf"(.*/)?({_READ})", re.DOTALL)

# Each fact is a line: its name, and its bytes in base64, so that no name of a file can be taken
# for another fact.
_LIST = """\
export LC_ALL=C
git cat-file -e {sha} || exit 1
tell() {{ printf '%s\\t%s\\n' "$1" "$(base64 -w 0)"; }}
names() {{
  git ls-tree -r -z --full-tree {sha} | grep -zE "[/\t]($1)\\$" | head -c {most} | tell "$2"
}}
names '{read}|{seen}' manifests
names '{structure}' structure
git grep --cached -zIoE -e '^[[:space:]]*(import|from)[[:space:]]+pytest' \\
  -e 'unittest.*TestCase' -- '*.py' | head -c {most} | tell imports
true
"""
_READ_FILES = f"""\
git cat-file --batch-check | while read -r id type size; do
  if [ "$type" = blob ] && [ "$size" -le {_LONGEST_FILE} ]; then echo "$id"; fi
done | git cat-file --batch | head -c {_OUTPUT_BYTES}
"""


@dataclass(frozen=True)
class Listing:
    """The answer to the first command: what there is, and what to ask the second for."""

    facts: Facts
    wanted: Mapping[str, str]
    """Ids of blobs by their paths."""


async def read_facts(sandbox: Sandbox, base: Base) -> Facts:
    """What is known of the base. Raises SandboxError."""
    listing = parse_listing(await _output(sandbox, list_names(base)))
    ids = "".join(f"{blob}\n" for blob in dict.fromkeys(listing.wanted.values()))
    output = await _output(sandbox, _READ_FILES, ids.encode()) if ids else b""
    return add_contents(listing, output)


def list_names(base: Base) -> str:
    return _LIST.format(
        sha=base.sha, read=_READ, seen=_SEEN, structure=_STRUCTURE, most=1024 * 1024
    )


def parse_listing(output: bytes) -> Listing:
    """Reads what the first command printed; lines that are none of it are left out."""
    told = dict(_told(output))
    files: dict[str, str] = {}
    wanted: dict[str, str] = {}
    for entry in (*_entries(told.get("structure", "")), *_entries(told.get("manifests", ""))):
        head, _, path = entry.partition("\t")
        mode, _, blob = head.partition(" blob ")
        if path and mode.startswith("100"):
            files[path] = ""
            if _WANTED.fullmatch(path):
                wanted[path] = blob
    first = sorted(wanted, key=lambda path: (path.count("/"), path))[:_MOST_READ]
    return Listing(
        facts=Facts(files, *_importers(told.get("imports", ""))),
        wanted={path: wanted[path] for path in first},
    )


def add_contents(listing: Listing, output: bytes) -> Facts:
    """The facts with the contents that the second command printed."""
    contents = dict(_blobs(output))
    read = {path: contents[blob] for path, blob in listing.wanted.items() if blob in contents}
    facts = listing.facts
    unread = frozenset(listing.wanted.keys() - read.keys())
    return replace(facts, files={**facts.files, **read}, unread=unread)


async def _output(sandbox: Sandbox, command: str, stdin: bytes = b"") -> bytes:
    result = await sandbox.run(command, stdin=stdin, keep_bytes=3 * _OUTPUT_BYTES)
    while result.lost:  # in the new tree
        result = await sandbox.run(command, stdin=stdin, keep_bytes=3 * _OUTPUT_BYTES)
    if result.exit_code != 0:
        raise SandboxError(f"The base cannot be searched for checks: {_reason(result)}")
    return result.output


def _reason(result: ExecResult) -> str:
    if result.limit:
        return f"the {result.limit} limit was reached"
    return result.text.strip()[-_TOLD:] or f"exit code {result.exit_code}"


def _told(output: bytes) -> Iterator[tuple[str, str]]:
    for line in output.split(b"\n"):
        name, _, encoded = line.decode(errors="replace").partition("\t")
        try:
            text = base64.b64decode(encoded, validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            continue
        yield name, text


def _entries(text: str) -> list[str]:
    return [entry for entry in text.split("\0") if entry]


def _importers(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Files that import pytest, and those that name `TestCase`: a path, NUL, a match, a line break.

    A path may hold a line break, a match none; what has no end was cut off.
    """
    pytest, unittest = dict[str, None](), dict[str, None]()
    path, *rest = text.split("\0")
    for piece in rest:
        match, ended, following = piece.partition("\n")
        if ended:
            (pytest if match.endswith("pytest") else unittest)[path] = None
        path = following
    return tuple(pytest), tuple(unittest)


def _blobs(output: bytes) -> Iterator[tuple[str, str]]:
    """Pairs of id and content; the last may have been cut off, and is left out then."""
    position = 0
    while head := _BLOB.match(output, position):
        end = head.end() + int(head["size"])
        if end > len(output):
            return
        content = output[head.end() : end]
        yield head["id"].decode(), content.decode("utf-8-sig", errors="replace")
        position = end + 1
