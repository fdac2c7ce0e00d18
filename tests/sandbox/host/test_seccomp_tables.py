"""The system call filter: what it refuses, seen by calling it inside, and how it is kept."""

import errno
import json
import platform
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.errors import SandboxLost
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.backends.docker.backend import Docker
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.core.protocol import Limits
from sandbox.host.seccomp_tables import (
    ENOSYS_CALLS,
    EPERM_CALLS,
    NAMESPACE_FLAGS,
    compile_filter,
)
from tests.support.sandbox.docker_backend import no_daemon, on_daemon, opened
from tests.support.sandbox.local_tree import (
    AS_ROOT,
    make_backend,
    open_tree,
    run_outside,
)
from tests.support.sandbox.system_calls import (
    CALLS,
    HARMLESS,
    PYTHON,
    Running,
    answers,
    known,
    number,
)

pytestmark = pytest.mark.sandbox

if not Path(PYTHON).exists():
    pytest.skip(f"needs {PYTHON}", allow_module_level=True)


PREALLOCATION = (0x40305828, 0x4030582A, 0x40305839)


@pytest.fixture(params=["bubblewrap", "docker"])
async def sandbox(
    request: pytest.FixtureRequest, data_dir: Path
) -> AsyncIterator[BubblewrapSandbox | DockerSandbox]:
    """Both have the same rules; a stand-in for docker has no filter of its own."""
    made: BubblewrapSandbox | DockerSandbox
    if request.param == "bubblewrap":
        made = open_tree(make_backend(data_dir), data_dir / "tree")
    elif reason := no_daemon():
        pytest.skip(reason)
    else:
        made = opened(Docker(on_daemon(data_dir, Limits())), data_dir)
    yield made
    await made.close()


async def asked(sandbox: Running, calls: dict[str, tuple[str, list[int]]]) -> dict[str, int]:
    return await answers(
        sandbox, [(label, number(n), words) for label, (n, words) in calls.items()]
    )


async def test_every_refused_call_is_refused(sandbox: Running) -> None:
    names = known(EPERM_CALLS.split())
    assert len(names) > 60
    found = await asked(sandbox, {name: (name, HARMLESS) for name in names})
    assert found == dict.fromkeys(names, errno.EPERM)


async def test_new_calls_are_unknown(sandbox: Running) -> None:
    found = await asked(sandbox, {name: (name, HARMLESS) for name in ENOSYS_CALLS})
    assert found == dict.fromkeys(ENOSYS_CALLS, errno.ENOSYS)


async def test_room_is_not_had_without_writing_it(sandbox: Running) -> None:
    requests = {f"{request:x}": ("ioctl", [0, request, 0]) for request in PREALLOCATION}
    calls: dict[str, tuple[str, list[int]]] = {"fallocate": ("fallocate", [1, 0, 0, 1]), **requests}
    expected = {"fallocate": errno.EOPNOTSUPP} | dict.fromkeys(requests, errno.EPERM)
    assert await asked(sandbox, calls) == expected
    written = "import os\nwith open('x', 'w') as x: os.posix_fallocate(x.fileno(), 0, 1 << 20)"
    result = await sandbox.run(f"{PYTHON} -", stdin=written.encode())
    assert (result.exit_code, result.text) == (0, "")


async def test_no_namespace_can_be_made_by_clone(sandbox: Running) -> None:
    calls = {f"{flag:x}": ("clone", [flag | 17, 0, 0, 0, 0]) for flag in NAMESPACE_FLAGS}
    assert await asked(sandbox, calls) == dict.fromkeys(calls, errno.EPERM)


async def test_only_usual_sockets_can_be_made(sandbox: Running) -> None:
    families = [*range(70), 1 << 20, 2**31 - 1, (1 << 32) + 40, -1]
    found = await asked(sandbox, {f"{f}": ("socket", [f, 1, 0]) for f in families})
    refused = {errno.EAFNOSUPPORT, errno.EPERM}
    made = {family for family, answer in found.items() if answer not in refused}
    assert made == {"1", "2", "10", "16"}


async def test_no_input_can_be_put_into_a_terminal(sandbox: Running) -> None:
    requests = {0x5412: errno.EPERM, 0x541C: errno.EPERM, (1 << 32) + 0x5412: errno.EPERM}
    requests[0x5413] = errno.ENOTTY  # another request of terminals
    found = await asked(sandbox, {f"{r:x}": ("ioctl", [0, r, 0]) for r in requests})
    assert found == {f"{request:x}": answer for request, answer in requests.items()}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there it has two more sets")
async def test_calls_of_another_set_end_the_process(sandbox: Running) -> None:
    """By other numbers the same calls could be made past the filter."""
    found = await answers(sandbox, [("x32", 0x40000000 + number("getpid"), HARMLESS)])
    assert found == {"x32": -signal.SIGSYS}


def test_outside_the_calls_are_taken(data_dir: Path) -> None:
    """The control: these answers come from the filter. With no sense in their words, no harm."""
    names = [*(set(known([*EPERM_CALLS.split(), *ENOSYS_CALLS])) - {"reboot", "vhangup"})]
    calls = [(name, number(name), HARMLESS) for name in names]
    (data_dir / "calls.py").write_text(CALLS)
    (data_dir / "calls.json").write_text(json.dumps(calls))
    done = run_outside(f"{PYTHON} calls.py < calls.json", data_dir)
    found = json.loads(done.stdout)
    taken = {name for name, answer in found.items() if answer not in {errno.ENOSYS, errno.EPERM}}
    assert "clone3" in taken
    if AS_ROOT:
        assert {"mount", "ptrace", "bpf", "keyctl", "setns", "unshare", "userfaultfd"} <= taken
        assert len(taken) > 0.8 * len(names), sorted(set(names) - taken)


async def test_the_first_process_of_the_sandbox_is_filtered_too(
    sandbox: Running,
) -> None:
    # bubblewrap's own first process takes its filter on a moment after it has started the command
    begin = "until grep -q '^Seccomp:.*2' /proc/1/status; do sleep 0.01; done"
    result = await sandbox.run(f"{begin}; grep -h Seccomp: /proc/1/status /proc/self/status")
    assert result.text.split() == ["Seccomp:", "2", "Seccomp:", "2"]


async def test_what_programs_need_works(sandbox: Running) -> None:
    script = """
import multiprocessing, socket, subprocess, threading, tempfile, mmap, signal
threading.Thread(target=print, args=("thread",)).start()
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
server = socket.create_server(("localhost", 0))
socket.create_connection(server.getsockname())
socket.socketpair()
assert socket.if_nameindex()
subprocess.run(["true"], check=True, start_new_session=True)
mmap.mmap(-1, 4096)
tempfile.NamedTemporaryFile()
signal.setitimer(signal.ITIMER_REAL, 10)
"""
    result = await sandbox.run(f"{PYTHON} -", stdin=script.encode())
    assert (result.exit_code, result.text) == (0, "thread\n")


# --- how it is made


def test_the_filter_is_the_same_each_time() -> None:
    program = compile_filter()
    assert program == compile_filter.__wrapped__()
    assert len(program) % 8 == 0
    assert len(program) // 8 > 100


@pytest.mark.parametrize("damaged", [b"", b"\0" * 8, b"not a filter"])
async def test_nothing_runs_with_a_damaged_filter(data_dir: Path, damaged: bytes) -> None:
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
    sandbox._filter = damaged
    with pytest.raises(SandboxLost):
        await sandbox.run("touch ran")
    assert not (data_dir / "tree" / "workspace" / "ran").exists()


async def test_none_outlives_the_process_that_compiled_it(data_dir: Path) -> None:
    """One that was kept would be the weaker one after an upgrade of what compiles it."""
    assert (await open_tree(make_backend(data_dir), data_dir / "tree").run("true")).exit_code == 0
    assert list((data_dir / "state").iterdir()) == []
