"""The checks of a Python package: pytest, unittest, tox or nox; its linters and type checkers."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import PurePosixPath

from sandbox.discovery.repository_facts import Package

_MENTION_PYTEST = (
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "noxfile.py",
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "tests-requirements.txt",
)


def python_tests(package: Package) -> Iterator[str]:
    """The package's own runner, or what runs it in an environment that it makes."""
    files = package.python
    in_src = any(name.startswith("src/") for name in files.structure)
    path = "PYTHONPATH=src " if in_src else ""
    if _uses_pytest(package):
        yield f"{path}python3 -m pytest -q"
    elif commands := list(_unittest(package)):
        yield from (path + command for command in commands)
    elif _uses_tox(package):
        yield "tox"
    elif package.has("noxfile.py"):
        yield "nox"


def python_lints(package: Package) -> Iterator[str]:
    """Of those that it configures."""
    project, setup = package.text("pyproject.toml"), package.text("setup.cfg")
    if package.has("ruff.toml", ".ruff.toml") or _section(project, r"tool\.ruff\b"):
        yield "python3 -m ruff check ."
    if package.has(".flake8") or _section(f"{setup}\n{package.text('tox.ini')}", "flake8]"):
        yield "python3 -m flake8"
    mypy = package.text("mypy.ini", ".mypy.ini")
    if mypy.strip() or _section(project, r"tool\.mypy]") or _section(setup, "mypy]"):
        named = re.search(r"(?m)^\s*(?:files|packages|modules)\s*=", f"{mypy}\n{project}\n{setup}")
        yield "python3 -m mypy" if named else "python3 -m mypy ."
    if package.has("pyrightconfig.json") or _section(project, r"tool\.pyright]"):
        yield "pyright"


def _section(text: str, name: str) -> bool:
    return re.search(rf"(?m)^\[{name}", text) is not None


def _uses_pytest(package: Package) -> bool:
    return (
        bool(package.python.pytest)
        or package.has("pytest.ini", ".pytest.ini")
        or any(PurePosixPath(name).name == "conftest.py" for name in package.python.structure)
        or re.search(r"\bpytest\b", package.text(*_MENTION_PYTEST)) is not None
    )


def _uses_tox(package: Package) -> bool:
    project = package.text("pyproject.toml")
    return package.has("tox.toml") or (
        _section(package.text("tox.ini"), r"(?:tox|testenv)]")
        or _section(package.text("setup.cfg"), "tox:tox]")
        or _section(project, r"tool\.tox\b")
    )


def _unittest(package: Package) -> Iterator[str]:
    """One command for each place that holds unittest's tests and each pattern of their names."""
    structure = package.python.structure
    inits = (PurePosixPath(name) for name in structure if name.endswith("/__init__.py"))
    packages = {path.parent for path in inits}
    found: set[tuple[PurePosixPath, bool, str]] = set()
    for name in package.python.unittest:
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
