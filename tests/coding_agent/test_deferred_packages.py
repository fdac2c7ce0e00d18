"""Packages whose `__init__` waits: whatever is asked of them, they answer as if it had been run."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import pytest

from coding_agent.deferred_packages import defer_packages

FILES = {
    "__init__.py": """
from .leaf import VALUE as VALUE, OTHER as renamed
from .inner import DEEP
from .stars import *
import sys
sys.ran.append(__name__)
__version__ = "1"
computed = VALUE + 1
def function(): return computed
def __getattr__(name):
    if name == "made": return "made at last"
    raise AttributeError(name)
""",
    "leaf.py": "VALUE, OTHER = 1, 2",
    "unused.py": "raise AssertionError('nobody asked')",
    "circle.py": "from . import leaf\nimport sample\nSIZE = sample.VALUE + leaf.OTHER",
    "stars/__init__.py": "from .one import STAR",
    "stars/one.py": "STAR = 7",
    "inner/__init__.py": "from ..leaf import VALUE as DEEP\nimport sys\nsys.ran.append(__name__)",
    "inner/data.txt": "data",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The package `sample`, deferred; `sys.ran` names whose `__init__` was run."""
    for name, text in FILES.items():
        path = tmp_path / "sample" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "ran", [], raising=False)
    defer_packages(["sample"])
    yield import_module("sample")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sample"]:
        del sys.modules[name]


def ran() -> list[str]:
    found: list[str] = vars(sys)["ran"]
    return found


def test_a_name_is_taken_from_where_it_is(package: ModuleType) -> None:
    assert (package.VALUE, package.renamed, package.DEEP, package.inner.DEEP) == (1, 2, 1, 1)
    assert ran() == []
    assert "sample.stars" not in sys.modules


def test_modules_of_a_package_find_each_other(package: ModuleType) -> None:
    assert (import_module("sample.circle").SIZE, package.leaf.VALUE, ran()) == (3, 1, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [("computed", 2), ("__version__", "1"), ("STAR", 7), ("made", "made at last")],
)
def test_any_other_name_runs_it_once(package: ModuleType, name: str, value: object) -> None:
    assert getattr(package, name) == value
    assert (package.function(), package.made, package.STAR) == (2, "made at last", 7)
    assert ran() == ["sample"]


def test_what_is_not_there_is_not_there(package: ModuleType) -> None:
    assert not hasattr(package, "absent")
    assert not hasattr(package.inner, "absent")
    assert not hasattr(package, "__wrapped__")


def test_all_names_are_told(package: ModuleType) -> None:
    names: dict[str, object] = {}
    exec("from sample import *", names)
    assert {"VALUE", "renamed", "STAR", "function", "computed"} <= names.keys()
    assert {"VALUE", "renamed", "__version__"} <= set(dir(package))


def test_files_of_a_package_are_found(package: ModuleType) -> None:
    assert package.VALUE
    assert files("sample.inner").joinpath("data.txt").read_text() == "data"
    assert package.__spec__
    assert package.__spec__.submodule_search_locations


_COUNTS = """
import json, sys
from coding_agent.deferred_packages import FOR_COMMANDS, defer_packages
defer_packages(FOR_COMMANDS)
import anthropic
from anthropic.lib.streaming import AsyncMessageStream
from anthropic.types import Message, RawMessageStreamEvent
import langgraph.graph
anthropic.AsyncAnthropic, anthropic.AsyncStream, anthropic.APIStatusError, anthropic.NOT_GIVEN
clients = ["AsyncAnthropic", "AsyncAnthropicAWS", "AsyncAnthropicGoogleCloud"]
found = [getattr(anthropic, name).__name__ for name in clients]
print(json.dumps([found, {name: sum(each.partition(".")[0] == name for each in sys.modules)
    for name in ("anthropic", "langsmith", "langgraph_sdk", "httpx")}]))
"""


def test_the_command_imports_few_of_their_modules() -> None:
    """The SDK alone has 2,900 modules, LangGraph brings 400 of these."""
    ended = subprocess.run(
        [sys.executable, "-c", _COUNTS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    clients, counts = json.loads(ended.stdout)
    assert clients == ["AsyncAnthropic", "AsyncAnthropicAWS", "AsyncAnthropicGoogleCloud"]
    assert counts["anthropic"] < 1100
    assert counts["langsmith"] < 80
    assert counts["langgraph_sdk"] < 15
    assert counts["httpx"] == 0


_COLLECTIONS = """
import gc, sys
from coding_agent.__main__ import main
sys.argv[1:] = ["--version"]
try:
    main()
except SystemExit:
    import langgraph.graph, anthropic
    anthropic.AsyncAnthropic
    print(len(gc.get_objects()) > 100_000, gc.get_stats()[2]["collections"])
"""


def test_what_is_imported_is_not_looked_through_for_what_could_be_freed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _COLLECTIONS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split()[-2:] == ["True", "0"]
