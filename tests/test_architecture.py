"""The rules of the house: who may import whom and what, how large files and functions may be."""

import ast
import re
import subprocess
from collections.abc import Iterator
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
WIRING = ("local.py", "deploy.py", "functions.py")
OURS = {*ROOMS, "demo", "local", "deploy", "functions", "tests", "benchmarks"}
SETTINGS_READERS = {*WIRING, "api/cli.py", "demo", "tests", "benchmarks"}
CLI_ONLY = {"local", "demo", "deploy"}

# A library and the product files that may import it; a folder stands for its files.
LIBRARIES: dict[str, set[str]] = {
    "anthropic": {"roles/claude.py"},
    "github": {"forge/github.py"},
    "git": {"forge/trusted_repository.py"},
    "modal": {"deploy.py", "sandbox/modal_sandbox.py", "runs/modal_store.py"},
    "kingfisher_sdk": {"forge/secret_scan.py"},
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
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each imported module's dotted name, and whether it is imported inside a function."""
    inner = {
        id(node)
        for function in ast.walk(tree(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in inner
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or "", id(node) in inner
            for alias in node.names:
                yield f"{node.module}.{alias.name}", id(node) in inner


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str:
    return name_of(path).split("/")[0]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_room_imports_only_what_it_may_know(path: Path) -> None:
    room, name = room_of(path), name_of(path)
    for module, inside in imports(path):
        top = module.split(".")[0]
        if top not in OURS or top == room:
            continue
        if name == "test_endpoint.py":
            pytest.fail(f"{name} imports {module}; it takes the standard library only")
        if name == "api/cli.py" and top in CLI_ONLY:
            assert inside, f"{name} imports {module} at its head"
            continue
        if room in ROOMS:
            assert top in ROOMS[room], f"{name} imports {module}"
        if room in WIRING:
            assert top not in ("local", "deploy", "tests", "benchmarks"), f"{name} imports {module}"
            assert room == "deploy.py" or top != "functions", f"{name} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_settings_are_read_by_the_wiring_alone(path: Path) -> None:
    if name_of(path) in SETTINGS_READERS or room_of(path) in SETTINGS_READERS:
        return
    found = [module for module, _ in imports(path) if module.startswith("api.settings")]
    assert not found, f"{name_of(path)} imports {found[0]}"


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


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_environment_is_read_by_the_settings_alone(path: Path) -> None:
    if name_of(path) in ENVIRONMENT_READERS:
        return
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"):
            assert not (isinstance(node.value, ast.Name) and node.value.id == "os"), (
                f"{name_of(path)}:{node.lineno} reads the environment"
            )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    name = name_of(path)
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_FILE or name in LONG_FILES, f"{name} has {lines} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            assert size <= MAX_FUNCTION, f"{name}:{node.lineno} {node.name} has {size} lines"


def test_the_exceptions_are_still_needed() -> None:
    for name in LONG_FILES:
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") > MAX_FILE


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_unfinished_and_no_utils(path: Path) -> None:
    assert path.stem not in ("utils", "util", "helpers", "misc", "common")
    found = re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", path.read_text(encoding="utf-8"))
    assert not found, f"{name_of(path)}: {found.group() if found else ''}"
