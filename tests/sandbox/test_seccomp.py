"""The system call filter: what it refuses, seen by calling it inside, and how it is kept."""

import errno
import json
import platform
import signal
from pathlib import Path

import pyseccomp
import pytest

from graph.errors import SandboxLost
from sandbox.bubblewrap_sandbox import BubblewrapSandbox
from sandbox.seccomp import NAMESPACE_FLAGS, REFUSED, UNKNOWN, compile_filter, filter_file
from tests.sandbox.local_tree import AS_ROOT, make_backend, open_tree, run_outside

pytestmark = pytest.mark.sandbox

PYTHON = "/usr/bin/python3"
CALLS = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for name, number, arguments in json.load(sys.stdin):
    pid = os.fork()
    if pid == 0:
        ctypes.set_errno(0)
        done = libc.syscall(number, *map(ctypes.c_long, arguments))
        os._exit(0 if done != -1 else ctypes.get_errno())
    status = os.waitpid(pid, 0)[1]
    answers[name] = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
print(json.dumps(answers))
"""
HARMLESS = [-1, -1, -1, -1, -1, -1]

if not Path(PYTHON).exists():
    pytest.skip(f"needs {PYTHON}", allow_module_level=True)


def number(name: str) -> int:
    found: int = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    return found


def known(names: list[str]) -> list[str]:
    return [name for name in names if number(name) >= 0]


async def answers(
    sandbox: BubblewrapSandbox, calls: dict[str, tuple[str, list[int]]]
) -> dict[str, int]:
    """What each call answers inside: an error number, or 0."""
    return await _ask(sandbox, [(label, number(n), words) for label, (n, words) in calls.items()])


async def answers_by_number(sandbox: BubblewrapSandbox, calls: dict[str, int]) -> dict[str, int]:
    return await _ask(sandbox, [(label, call, HARMLESS) for label, call in calls.items()])


async def _ask(
    sandbox: BubblewrapSandbox, numbered: list[tuple[str, int, list[int]]]
) -> dict[str, int]:
    await sandbox.write("/tmp/calls.py", CALLS.encode())
    result = await sandbox.run(f"{PYTHON} /tmp/calls.py", stdin=json.dumps(numbered).encode())
    assert result.exit_code == 0, result.text
    found: dict[str, int] = json.loads(result.text)
    return found


async def test_every_refused_call_is_refused(sandbox: BubblewrapSandbox) -> None:
    names = known(REFUSED.split())
    assert len(names) > 60
    found = await answers(sandbox, {name: (name, HARMLESS) for name in names})
    assert found == dict.fromkeys(names, errno.EPERM)


async def test_new_calls_are_unknown(sandbox: BubblewrapSandbox) -> None:
    found = await answers(sandbox, {name: (name, HARMLESS) for name in UNKNOWN})
    assert found == dict.fromkeys(UNKNOWN, errno.ENOSYS)


async def test_no_namespace_can_be_made_by_clone(sandbox: BubblewrapSandbox) -> None:
    calls = {f"{flag:x}": ("clone", [flag | 17, 0, 0, 0, 0]) for flag in NAMESPACE_FLAGS}
    assert await answers(sandbox, calls) == dict.fromkeys(calls, errno.EPERM)


async def test_only_usual_sockets_can_be_made(sandbox: BubblewrapSandbox) -> None:
    families = [*range(70), 1 << 20, 2**31 - 1, (1 << 32) + 40, -1]
    found = await answers(sandbox, {f"{f}": ("socket", [f, 1, 0]) for f in families})
    made = {family for family, answer in found.items() if answer != errno.EAFNOSUPPORT}
    assert made == {"1", "2", "10", "16"}


async def test_no_input_can_be_put_into_a_terminal(sandbox: BubblewrapSandbox) -> None:
    requests = {0x5412: errno.EPERM, 0x541C: errno.EPERM, (1 << 32) + 0x5412: errno.EPERM}
    requests[0x5413] = errno.ENOTTY  # another request of terminals
    found = await answers(sandbox, {f"{r:x}": ("ioctl", [0, r, 0]) for r in requests})
    assert found == {f"{request:x}": answer for request, answer in requests.items()}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only there it has two more sets")
async def test_calls_of_another_set_end_the_process(sandbox: BubblewrapSandbox) -> None:
    """By other numbers the same calls could be made past the filter."""
    found = await answers_by_number(sandbox, {"x32": 0x40000000 + number("getpid")})
    assert found == {"x32": -signal.SIGSYS}


def test_outside_the_calls_are_taken(data_dir: Path) -> None:
    """The control: these answers come from the filter. With no sense in their words, no harm."""
    names = [*(set(known([*REFUSED.split(), *UNKNOWN])) - {"reboot", "vhangup"})]
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
    sandbox: BubblewrapSandbox,
) -> None:
    result = await sandbox.run("grep -h Seccomp: /proc/1/status /proc/self/status")
    assert result.text.split() == ["Seccomp:", "2", "Seccomp:", "2"]


async def test_what_programs_need_works(sandbox: BubblewrapSandbox) -> None:
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


# --- how it is kept


def test_the_filter_is_the_same_each_time() -> None:
    program = compile_filter()
    assert program == compile_filter()
    assert len(program) % 8 == 0
    assert len(program) // 8 > 100


def test_it_is_made_once(data_dir: Path) -> None:
    path = filter_file(data_dir)
    made = path.stat()
    assert path.stat().st_mode & 0o777 == 0o600
    assert filter_file(data_dir) == path
    assert path.stat().st_mtime_ns == made.st_mtime_ns
    assert [file.name for file in data_dir.iterdir()] == [path.name]


@pytest.mark.parametrize("damaged", [b"", b"\0" * 8, b"not a filter"])
async def test_nothing_runs_with_a_damaged_filter(data_dir: Path, damaged: bytes) -> None:
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
    filter_file(data_dir / "state").write_bytes(damaged)
    with pytest.raises(SandboxLost):
        await sandbox.run("touch ran")
    assert not (data_dir / "tree" / "workspace" / "ran").exists()


async def test_nothing_runs_without_a_filter(data_dir: Path) -> None:
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree")
    filter_file(data_dir / "state").unlink()
    with pytest.raises(Exception, match="No such file"):
        await sandbox.run("touch ran")
    assert not (data_dir / "tree" / "workspace" / "ran").exists()
