"""Sandboxes of services that are no more."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.host.orphans import MARK, end_orphans, is_gone, process_name
from sandbox.host.resource_usage import family, read_proc
from tests.support.polling import until
from tests.support.sandbox.local_tree import AS_ROOT

ROOT = Path(__file__).parents[3]


async def sleeper(service: str) -> asyncio.subprocess.Process:
    """A process that says that `service` started it."""
    environment = {"PATH": "/usr/bin:/bin", MARK: service}
    return await asyncio.create_subprocess_exec("sleep", "20", env=environment)


async def dead_service() -> str:
    service = await asyncio.create_subprocess_exec("sleep", "20")
    name = process_name(service.pid)
    service.kill()
    await service.wait()
    return name


async def test_what_a_dead_service_left_is_ended() -> None:
    left = await sleeper(await dead_service())
    await asyncio.to_thread(end_orphans)
    assert await left.wait() == -signal.SIGKILL


@pytest.mark.parametrize("service", ["living", "", "1-2-3", "nonsense", "-", "{namespace}-x-1"])
async def test_the_sandboxes_of_others_go_on(service: str) -> None:
    living = process_name(os.getpid())
    namespace = living.split("-", maxsplit=1)[0]
    names = {"living": living}
    left = await sleeper(names.get(service, service.format(namespace=namespace)))
    await asyncio.to_thread(end_orphans)
    assert left.returncode is None
    left.kill()
    await left.wait()


async def test_a_service_is_known_by_its_pid_and_start() -> None:
    name = process_name(os.getpid())
    assert not is_gone(name)
    assert is_gone(name + "0")
    assert is_gone(await dead_service())
    assert process_name(1 << 22) == ""


HIDDEN = """
mount -t proc -o hidepid=2 proc /proc &&
exec setpriv --reuid=34567 --regid=34567 --clear-groups -- "$@"
"""
SEEN = """
import sys
from sandbox.host.orphans import is_gone, process_name
print(repr(process_name(int(sys.argv[1]))), *(is_gone(name) for name in sys.argv[2:]))
"""


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
async def test_a_process_that_is_hidden_is_not_taken_for_gone() -> None:
    living, dead = process_name(os.getpid()), await dead_service()
    line = ["unshare", "--mount", "sh", "-c", HIDDEN, "sh", sys.executable, "-c", SEEN]
    shown = await asyncio.create_subprocess_exec(
        *(*line, str(os.getpid()), living, dead),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await shown.communicate()
    assert said == b"'' False True\n"


def test_a_name_is_of_this_machine_and_boot_alone() -> None:
    """The first namespace of processes has the same number on every machine."""
    boot, rest = process_name(os.getpid()).split("-", 1)
    assert Path("/proc/sys/kernel/random/boot_id").read_text().replace("-", "").startswith(boot)
    namespace, _, started = rest.split("-")
    nobody = f"{namespace}-{2**22}-{started}"
    assert is_gone(f"{boot}-{nobody}")
    assert not is_gone(f"0123456789ab-{nobody}")


@pytest.mark.sandbox
async def test_bubblewrap_is_marked_and_its_command_is_not(
    sandbox: BubblewrapSandbox, data_dir: Path
) -> None:
    workspace = data_dir / "tree" / "workspace"
    running = asyncio.create_task(
        sandbox.run("env; touch begun; until [ -e go ]; do sleep 0.05; done")
    )
    await until((workspace / "begun").exists)
    mark = f"{MARK}={process_name(os.getpid())}".encode()
    marked = [pid for pid in family(os.getpid()) if mark in read_proc(str(pid), "environ")]
    assert len(marked) == 2  # outside and inside
    (workspace / "go").touch()
    assert MARK not in (await running).text
