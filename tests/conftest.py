"""Fixtures that several rooms' tests share."""

import gc
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.standins.github_contract.contract import CONTRACT
from tests.support.compiled_secret_rules import compiled, share

hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")
"""No test fails because others keep the processors from it."""


def _data_dir() -> Iterator[Path]:
    """A data folder whose parents the sandbox's user can pass."""
    root = Path(tempfile.mkdtemp(prefix="coding-agent-", dir="/tmp"))
    root.chmod(0o711)
    yield root
    shutil.rmtree(root, ignore_errors=True)


data_dir = pytest.fixture(_data_dir, name="data_dir")
module_dir = pytest.fixture(_data_dir, scope="module", name="module_dir")


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Workers of one session have folders side by side."""
    folder = tmp_path_factory.getbasetemp().parent
    share(folder)
    return folder


@pytest.fixture(scope="session")
def rules_cache(shared_folder: Path) -> Path:
    """The compiled catalogue of secrets."""
    return compiled(shared_folder)


@pytest.fixture(autouse=True)
def held_to_github_description() -> Iterator[None]:
    """No test passes in which a call to the stand-in for GitHub is none of GitHub's API."""
    yield
    breaches = CONTRACT.take_breaches()
    assert not breaches, "\n".join(breaches)


_LONGEST_FIRST = (
    *("tests/modal/", "tests/e2e/runs/test_soak.py", "tests/e2e/", "tests/demo/", "tests/sandbox/"),
    *("tests/forge/", "tests/api/"),
)


_ALL_SLOW = re.compile(r"^pytestmark = .*\bpytest\.mark\.slow\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A file that says that all its tests are slow: each process would import it for nothing."""
    if collection_path.suffix != ".py" or config.option.markexpr != "not slow":
        return None
    return _ALL_SLOW.search(collection_path.read_text()) is not None or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What collecting imports and makes stays to the end: it is not looked through for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no process works on alone at the end."""

    def rank(item: pytest.Item) -> int:
        places = (at for at, place in enumerate(_LONGEST_FIRST) if item.nodeid.startswith(place))
        return next(places, len(_LONGEST_FIRST))

    items.sort(key=rank)
