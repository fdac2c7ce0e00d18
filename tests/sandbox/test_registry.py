"""The backends there are: each is named once, and has what the others have."""

from pathlib import Path
from typing import get_args

import pytest

import sandbox.backends
from graph.errors import SandboxUnavailable
from sandbox.backends.base.backend import BackendName, BackendOptions
from sandbox.choose_backend import choose
from sandbox.core.protocol import Limits
from sandbox.registry import BACKENDS
from tests.sandbox.backends.test_contract import BACKENDS as UNDER_CONTRACT

FOLDER = Path(sandbox.backends.__path__[0])


def test_settings_folders_and_contract_name_the_same() -> None:
    assert {"auto", *BACKENDS} == set(get_args(BackendName))
    assert list(BACKENDS) == UNDER_CONTRACT
    for name in BACKENDS:
        files = {path.name for path in (FOLDER / name).iterdir()}
        assert {"__init__.py", "backend.py", "sandbox.py"} <= files


async def test_where_none_holds_the_reasons_of_all_are_told(data_dir: Path) -> None:
    nothing = BackendOptions(
        limits=Limits(),
        state=data_dir / "state",
        tool_paths=(Path("/etc"),),
        docker_environment={"PATH": "/none"},
    )
    with pytest.raises(SandboxUnavailable) as caught:
        await choose("auto", nothing)
    assert caught.value.message.count("/etc cannot be a tool path") == 2
