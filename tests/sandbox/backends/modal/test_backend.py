"""What those share who use one tree on Modal; a container of this machine stands for it."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.container.send_base import make_empty_tree
from sandbox.backends.container.wire import SERVER_WORDS
from sandbox.backends.modal.backend import Modal
from sandbox.backends.modal.sandbox import ModalSandbox
from tests.sandbox.backends.container.held_container import HeldContainer
from tests.sandbox.backends.container.local_container import LIMITS
from tests.support.sandbox.local_tree import AS_ROOT

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(not AS_ROOT, reason="needs root: a container has other users"),
]


def named(name: str, **parts: object) -> ModalSandbox:
    return cast("ModalSandbox", SimpleNamespace(id=name, **parts))


async def test_who_attaches_before_a_tree_is_used_shares_its_fork_server(data_dir: Path) -> None:
    """Also where others attach to other trees meanwhile."""
    backend = Modal(BackendOptions(limits=LIMITS, state=data_dir))
    async with HeldContainer.open(data_dir) as container:
        tree = named("tree", start=container.start, end=container.end)
        first = backend.attach(tree)
        backend.attach(named("another"))
        second = backend.attach(tree)
        begun = asyncio.create_task(make_empty_tree(first, LIMITS))
        await asyncio.sleep(0)
        backend.attach(named("third"))
        third = backend.attach(tree)
        await begun
        for sandbox in (first, second, third):
            assert (await sandbox.run("echo on")).text == "on\n"
        assert container.started == [SERVER_WORDS]
