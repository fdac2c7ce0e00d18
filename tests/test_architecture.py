"""The rules of the house: who may import whom and what, how large files and functions may be."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS: dict[str, set[str]] = {
    "graph": set(),
    "sandbox": {"graph"},
    "forge": {"graph"},
    "roles": {"graph", "sandbox"},
    "runs": {"graph"},
    "api": {"graph", "runs"},
}
WIRING = ("local.py", "deploy.py", "functions.py", "configuration.py")
OURS = {*ROOMS, "demo", "local", "deploy", "functions", "configuration", "tests", "benchmarks"}
SETTINGS_READERS = {*WIRING, "api/cli.py", "demo", "tests", "benchmarks"}
CLI_ONLY = {"local", "demo", "deploy"}

# A library and the product files that may import it; a folder stands for its files.
LIBRARIES: dict[str, set[str]] = {
    "anthropic": {"roles/claude.py"},
    "github": {"forge/github.py"},
    "git": {"forge/trusted_repository.py"},
    "modal": {"deploy.py", "sandbox/modal_sandbox.py", "runs/modal_store.py"},
    "kingfisher_sdk": {"forge/secret_scan.py"},
    "yaml": {"forge/workflow.py"},
    "langgraph": {"graph", "runs", "local.py", "deploy.py"},
}
ENVIRONMENT_READERS = {
    *("api/settings.py", "test_endpoint.py", "deploy.py"),
    "sandbox/supervisor.py",  # that of a container: it runs there
}
MAX_FILE = 350
MAX_FUNCTION = 50
LONG_FILES = {
    "graph/errors.py": "one drawn tree of every error, a class of a few lines each",
}


def product_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    names = [
        name for name in listed if not name.startswith(("tests/", "benchmarks/", "demo/sample/"))
    ]
    return [ROOT / name for name in names if (ROOT / name).exists()]


FILES = product_files()


@cache
def walked(path: Path) -> list[ast.AST]:
    """Every node of a file."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Each imported module's dotted name, and whether it is imported inside a function."""
    inner = {
        id(node)
        for function in walked(path)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    found = []
    for node in walked(path):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            found += [(name, id(node) in inner) for name in names]
    return found


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str:
    return name_of(path).split("/")[0]


def faults(check: Callable[[Path], Iterator[str]]) -> list[str]:
    """What a check finds in any file."""
    return [f"{name_of(path)}{fault}" for path in FILES for fault in check(path)]


def test_a_room_imports_only_what_it_may_know() -> None:
    assert not faults(_forbidden_imports)


def _forbidden_imports(path: Path) -> Iterator[str]:
    room, name = room_of(path), name_of(path)
    for module, inside in imports(path):
        top = module.split(".")[0]
        if top not in OURS or top == room:
            continue
        if name == "test_endpoint.py":
            yield f" imports {module}; it takes the standard library only"
        elif name == "api/cli.py" and top in CLI_ONLY:
            if not inside:
                yield f" imports {module} at its head"
        elif room in ROOMS:
            if top not in ROOMS[room]:
                yield f" imports {module}"
        elif room in WIRING:
            others = {"local", "deploy", "tests", "benchmarks"}
            if top in (others if room == "deploy.py" else {*others, "functions"}):
                yield f" imports {module}"


def test_settings_are_read_by_the_wiring_alone() -> None:
    assert not faults(_settings_imports)


def _settings_imports(path: Path) -> Iterator[str]:
    if name_of(path) not in SETTINGS_READERS and room_of(path) not in SETTINGS_READERS:
        found = (module for module, _ in imports(path) if module.startswith("api.settings"))
        yield from (f" imports {module}" for module in found)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_where_its_errors_are_mapped(library: str) -> None:
    importers = {
        name_of(path)
        for path in FILES
        for module, _ in imports(path)
        if module.split(".")[0] == library
    }
    allowed = LIBRARIES[library]
    strangers = {
        name for name in importers if name not in allowed and name.split("/")[0] not in allowed
    }
    assert not strangers


def test_the_environment_is_read_by_the_settings_alone() -> None:
    assert not faults(_environment_reads)


def _environment_reads(path: Path) -> Iterator[str]:
    if name_of(path) in ENVIRONMENT_READERS:
        return
    for node in walked(path):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if node.value.id == "os" and node.attr in ("environ", "getenv", "environb"):
            yield f":{node.lineno} reads the environment"


def test_files_and_functions_stay_small() -> None:
    assert not faults(_large_ones)


def _large_ones(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").count("\n")
    if lines > MAX_FILE and name_of(path) not in LONG_FILES:
        yield f" has {lines} lines"
    for node in walked(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            if size > MAX_FUNCTION:
                yield f":{node.lineno} {node.name} has {size} lines"


def test_the_exceptions_are_still_needed() -> None:
    for name in LONG_FILES:
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") > MAX_FILE


def test_nothing_unfinished_and_no_utils() -> None:
    assert not faults(_unfinished)


def _unfinished(path: Path) -> Iterator[str]:
    if path.stem in ("utils", "util", "helpers", "misc", "common"):
        yield " has no name of its own"
    text = path.read_text(encoding="utf-8")
    if found := re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text):
        yield f": {found.group()}"
