"""The checks a repository names itself, found from its files without running any of them."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePosixPath

MOST = 8
"""Checks proposed at most."""

_MENTION_PYTEST = (
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "noxfile.py",
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
)
_READ = (
    *_MENTION_PYTEST,
    "package.json",
    "GNUmakefile",
    "makefile",
    "Makefile",
)
_LOCKS = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "yarn.lock": "yarn",
    "pnpm-lock.yaml": "pnpm",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
_SEEN = (
    "pytest.ini",
    "Cargo.toml",
    "go.mod",
    *_LOCKS,
)

# Each fact is a line: its kind, its name, and its bytes in base64, so that no content can be
# taken for another fact.
READ_FACTS = f"""\
tell() {{ printf '%s\\t%s\\t%s\\n' "$1" "$2" "$(base64 -w 0)"; }}
for name in {" ".join(_READ)}; do
  [ -f "$name" ] && head -c 65536 -- "$name" | tell file "$name"
done
for name in {" ".join(_SEEN)}; do [ -f "$name" ] && tell file "$name" < /dev/null; done
git ls-files -z -- '*.py' | head -c 524288 | tell names python
git grep -lzE '^[[:space:]]*(import|from)[[:space:]]+pytest' -- '*.py' |
  head -c 65536 | tell names pytest
git grep -lz 'unittest.*TestCase' -- '*.py' | head -c 262144 | tell names unittest
true
"""
FACTS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Facts:
    """What is known of a repository: files of its top folder, and paths of Python files."""

    files: dict[str, str] = field(default_factory=dict)
    """Contents by name; of some only that they are there."""
    python: tuple[str, ...] = ()
    pytest: tuple[str, ...] = ()
    """Files that import pytest."""
    unittest: tuple[str, ...] = ()
    """Files that name unittest's `TestCase`."""


def parse_facts(output: bytes) -> Facts:
    """The facts that `READ_FACTS` printed; lines that are none are left out."""
    files: dict[str, str] = {}
    names: dict[str, tuple[str, ...]] = {}
    for line in output.split(b"\n"):
        parts = line.decode(errors="replace").split("\t")
        if len(parts) != 3:
            continue
        kind, name, encoded = parts
        try:
            text = base64.b64decode(encoded, validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            continue
        if kind == "file":
            files[name] = text
        elif kind == "names":
            names[name] = tuple(path for path in text.split("\0") if path)
    return Facts(
        files=files,
        python=names.get("python", ()),
        pytest=names.get("pytest", ()),
        unittest=names.get("unittest", ()),
    )


def found_checks(facts: Facts) -> tuple[str, ...]:
    """Commands for what the repository configures, tests before lint, at most `MOST`."""
    runners = [*_python(facts), *_javascript(facts, ("test",)), *_compiled(facts)]
    commands = [
        *runners,
        *_make(facts, ("test", "check"), runners),
        *_javascript(facts, ("lint",)),
        *_make(facts, ("lint",), runners),
    ]
    return tuple(dict.fromkeys(commands))[:MOST]


def _python(facts: Facts) -> Iterator[str]:
    path = "PYTHONPATH=src " if any(name.startswith("src/") for name in facts.python) else ""
    if _uses_pytest(facts):
        yield f"{path}python3 -m pytest -q"
    elif commands := list(_unittest(facts)):
        yield from (path + command for command in commands)
    elif "[tox]" in facts.files.get("tox.ini", "").splitlines():
        yield "tox"
    elif "noxfile.py" in facts.files:
        yield "nox"


def _uses_pytest(facts: Facts) -> bool:
    return (
        bool(facts.pytest)
        or "pytest.ini" in facts.files
        or any(PurePosixPath(name).name == "conftest.py" for name in facts.python)
        or any(re.search(r"\bpytest\b", facts.files.get(name, "")) for name in _MENTION_PYTEST)
    )


def _unittest(facts: Facts) -> Iterator[str]:
    """One command for each place that holds unittest's tests and each pattern of their names."""
    inits = (PurePosixPath(name) for name in facts.python if name.endswith("/__init__.py"))
    packages = {path.parent for path in inits}
    found: set[tuple[PurePosixPath, bool, str]] = set()
    for name in facts.unittest:
        path = PurePosixPath(name)
        for pattern in ("test*.py", "*_test.py"):
            if fnmatch(path.name, pattern) and re.fullmatch(r"\w[\w./-]*", name):
                found.add((*_start(path.parent, packages), pattern))
                break
    for start, is_package, pattern in sorted(found):
        where = f" -s {start}" if start.name else ""
        top = f" -t {start.parent}" if is_package else ""
        named = "" if pattern == "test*.py" else f" -p '{pattern}'"
        yield f"python3 -m unittest discover{where}{top}{named}"


def _start(folder: PurePosixPath, packages: set[PurePosixPath]) -> tuple[PurePosixPath, bool]:
    """The outermost package that a folder belongs to, or the folder itself, which is none."""
    if folder not in packages:
        return folder, False
    while folder.parent in packages:
        folder = folder.parent
    return folder, True


def _javascript(facts: Facts, scripts: tuple[str, ...]) -> Iterator[str]:
    package = _json(facts.files.get("package.json", ""))
    named = _table(package, "scripts")
    manager = _package_manager(facts, package)
    for script in scripts:
        body = named.get(script)
        if isinstance(body, str) and body.strip() and "no test specified" not in body:
            short = script == "test" and manager != "bun"  # `bun test` is bun's own runner
            yield f"{manager} {script}" if short else f"{manager} run {script}"


def _package_manager(facts: Facts, package: dict[str, object]) -> str:
    declared = str(package.get("packageManager", "")).split("@", 1)[0]
    if declared in ("npm", "yarn", "pnpm", "bun"):
        return declared
    locks = {name: manager for name, manager in _LOCKS.items() if name in facts.files}
    return next(iter(locks.values()), "npm")


def _compiled(facts: Facts) -> Iterator[str]:
    if "Cargo.toml" in facts.files:
        yield "cargo test --no-fail-fast"
    if "go.mod" in facts.files:
        yield "go test ./..."


def _make(facts: Facts, targets: tuple[str, ...], runners: list[str]) -> Iterator[str]:
    """The first of the targets that is there, unless it only calls a runner found already."""
    recipes = _recipes(_makefile(facts))
    for target in targets:
        if target in recipes:
            if not any(_runner(command) in recipes[target] for command in runners):
                yield f"make {target}"
            return


def _runner(command: str) -> str:
    """The words of a command by which a recipe that calls it can be known."""
    for name in ("pytest", "unittest", "cargo test", "go test"):
        if name in command:
            return name
    return command


def _makefile(facts: Facts) -> str:
    for name in ("GNUmakefile", "makefile", "Makefile"):  # in the order make looks for them
        if name in facts.files:
            return facts.files[name]
    return ""


def _recipes(makefile: str) -> dict[str, str]:
    """The plain targets of a makefile with the text of their rules."""
    recipes: dict[str, str] = {}
    current: list[str] = []
    for line in makefile.splitlines():
        head, colon, rest = line.partition(":")
        if line.startswith("\t"):
            for target in current:
                recipes[target] += line
        elif colon and not rest.startswith(("=", ":=", "::=")) and not set("=#") & set(head):
            current = head.split()
            for target in current:
                recipes[target] = recipes.get(target, "") + rest
    return recipes


def _json(text: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _table(value: dict[str, object], key: str) -> dict[str, object]:
    table = value.get(key)
    return table if isinstance(table, dict) else {}
