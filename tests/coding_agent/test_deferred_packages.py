"""Packages whose `__init__` waits: whatever is asked of them, they answer as if it had been run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread
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


Make = Callable[[dict[str, str]], ModuleType]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes the package `sample`, deferred; `sys.ran` names whose `__init__` was run."""

    def write(texts: dict[str, str]) -> ModuleType:
        for name, text in texts.items():
            path = tmp_path / "sample" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return import_module("sample")

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "ran", [], raising=False)
    defer_packages(["sample"])
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "sample"]:
        del sys.modules[name]


@pytest.fixture
def package(make: Make) -> ModuleType:
    return make(FILES)


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


THREADS = {
    "modules that need each other": (
        {
            "__init__.py": "from .left import LEFT\nfrom .right import RIGHT",
            "left.py": "import sys\nLEFT = 1\nsys.meet()\nfrom . import RIGHT",
            "right.py": "import sys\nRIGHT = 2\nsys.meet()\nfrom . import LEFT",
        },
        ("sample.left", "sample.right"),
    ),
    "a package and a module that needs it": (
        {
            "__init__.py": "from .left import *\nfrom .right import RIGHT",
            "left.py": "import sys\nsys.meet()\nLEFT = 1",
            "right.py": "import sys\nsys.meet()\nfrom . import LEFT\nRIGHT = LEFT + 1",
            "all.py": "from . import LEFT",
        },
        ("sample.all", "sample.right"),
    ),
}


@pytest.mark.parametrize(("texts", "names"), THREADS.values(), ids=THREADS)
def test_threads_that_import_at_once_have_it_all(
    texts: dict[str, str], names: tuple[str, str], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, failed = Barrier(2), list[Exception]()

    def meet() -> None:
        try:
            both.wait(0.5)
        except BrokenBarrierError:
            return

    def load(name: str) -> None:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - whichever
            failed.append(error)

    monkeypatch.setattr(sys, "meet", meet, raising=False)
    package = make(texts)
    threads = [Thread(target=load, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failed == []
    assert (package.LEFT, package.RIGHT) == (1, 2)


def test_a_name_that_a_module_is_called_too_is_what_the_package_says(make: Make) -> None:
    package = make({"__init__.py": "from .same import same", "same.py": "same = 3"})
    import_module("sample.same")
    assert package.same == 3


@pytest.mark.parametrize(
    "then", ["VALUE += 1", "if VALUE:\n    VALUE = 2", "def VALUE(): ...\nVALUE = 2"]
)
def test_a_name_that_gets_another_value_has_that(then: str, make: Make) -> None:
    package = make({"__init__.py": f"from .leaf import VALUE\n{then}", "leaf.py": "VALUE = 1"})
    assert package.VALUE == 2


def test_an_init_that_failed_is_run_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    package = make({"__init__.py": "import sys\nMADE = 1 / sys.ran[0]"})
    monkeypatch.setattr(sys, "ran", [0])
    with pytest.raises(ZeroDivisionError):
        _ = package.MADE
    monkeypatch.setattr(sys, "ran", [1])
    assert package.MADE == 1


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


_LOG = """
import logging, sys
from coding_agent.__main__ import main
sys.argv[1:] = ["--version"]
try:
    main()
except SystemExit:
    import anthropic
    anthropic.AsyncAnthropic
    print(logging.getLogger("anthropic").level == logging.INFO)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("level", "tells"), [("info", "True"), ("", "False")])
def test_the_sdk_tells_of_its_requests_where_it_is_asked_to(level: str, tells: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _LOG],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "ANTHROPIC_LOG": level},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split()[-1] == tells
