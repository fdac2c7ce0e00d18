"""Limits of a command, held by control groups and by the poller that stands in for them."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.protocol import Limits
from sandbox.host.resource_usage import DEEPEST, ENTRY_BYTES, TreeSize, family, tree_bytes
from sandbox.host.seccomp_tables import compile_filter
from tests.standins.docker import install
from tests.support.sandbox.local_tree import AS_ROOT, make_backend, make_tree, open_tree

pytestmark = pytest.mark.sandbox

PYTHON = "/usr/bin/python3"
needs_python = pytest.mark.skipif(not Path(PYTHON).exists(), reason=f"needs {PYTHON}")

FORKS = """
import os, time
made = 0
try:
    for _ in range(300):
        if os.fork() == 0:
            time.sleep(5)
            os._exit(0)
        made += 1
except OSError as error:
    print(error)
print(made)
raise SystemExit(made < 300)
"""
HOGS = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        hog = bytearray(os.urandom(1024)) * (60 * 1024)
        time.sleep(8)
        os._exit(0)
while True:
    pid, status = os.wait()
    if status:
        raise SystemExit(9)
"""


ROOT = Path(__file__).parents[4]
WITHOUT_ROOT = """
import asyncio, sys
from pathlib import Path
from sandbox.core.protocol import Limits
from tests.support.sandbox.docker_backend import Docker, on_stand_in, opened
from tests.support.sandbox.local_tree import make_backend, open_tree

async def main(data, name, command):
    limits = Limits(timeout_s=20, disk_mb=8)
    if name == "docker":
        sandbox = opened(Docker(on_stand_in(data, limits)), data)
    else:
        sandbox = open_tree(make_backend(data, limits, grouped=False), data / "tree")
    result = await sandbox.run(command)
    print(result.exit_code, result.limit, "wrote" in result.text)

asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
"""


def limited(data: Path, limits: Limits, *, grouped: bool = True) -> BubblewrapSandbox:
    return open_tree(make_backend(data, limits, grouped=grouped), data / "tree")


# --- time


@pytest.mark.parametrize(
    "command",
    [
        "sleep 15",
        "trap '' TERM INT HUP QUIT; while :; do :; done",
        "kill -STOP $$",
        "for i in $(seq 40); do setsid sh -c 'trap \"\" TERM; sleep 15' & done; sleep 15",
        "exec >/dev/null 2>&1; sleep 15",
    ],
)
async def test_time_ends_a_command_and_all_it_started(
    data_dir: Path, command: str, *, grouped: bool
) -> None:
    sandbox = limited(data_dir, Limits(), grouped=grouped)
    result = await sandbox.run(command, timeout_s=0.5)
    assert (result.exit_code, result.limit) == (None, "time")
    assert 450 <= result.duration_ms < 3000
    assert [pid for pid in family(os.getpid()) if "sleep" in name_of(pid)] == []


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


async def test_output_before_the_limit_is_kept(sandbox: BubblewrapSandbox) -> None:
    result = await sandbox.run("echo so far; sleep 15", timeout_s=0.3)
    assert (result.text, result.limit) == ("so far\n", "time")


async def test_a_caller_may_shorten_the_time_never_lengthen_it(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(timeout_s=0.3))
    assert (await sandbox.run("sleep 15", timeout_s=60)).limit == "time"


async def test_no_time_at_all_is_no_command(sandbox: BubblewrapSandbox) -> None:
    assert (await sandbox.run("sleep 5", timeout_s=0)).limit == "time"


# --- memory


async def test_one_process_with_too_much_memory(data_dir: Path, *, grouped: bool) -> None:
    sandbox = limited(data_dir, Limits(memory_mb=100), grouped=grouped)
    result = await sandbox.run("head -c 1G /dev/zero | tail -c 1G | wc -c; exit ${PIPESTATUS[1]}")
    assert result.exit_code != 0
    if grouped:
        assert (result.exit_code, result.limit) == (None, "memory")


@needs_python
async def test_many_processes_with_too_much_memory(data_dir: Path, *, grouped: bool) -> None:
    sandbox = limited(data_dir, Limits(memory_mb=150), grouped=grouped)
    result = await sandbox.run(f"{PYTHON} - <<'END'\n{HOGS}\nEND")
    assert (result.exit_code, result.limit) == (None, "memory")


async def test_memory_within_the_limit_is_left_alone(data_dir: Path, *, grouped: bool) -> None:
    sandbox = limited(data_dir, Limits(memory_mb=300), grouped=grouped)
    result = await sandbox.run("head -c 100M /dev/zero | tail -c 100M | wc -c; sleep 0.2")
    assert (result.exit_code, result.text) == (0, "104857600\n")


async def test_a_command_that_outlives_the_killed_part_has_its_own_end(
    data_dir: Path, *, grouped: bool
) -> None:
    if not grouped:
        pytest.skip("the poller ends the whole command")
    sandbox = limited(data_dir, Limits(memory_mb=100))
    result = await sandbox.run("head -c 1G /dev/zero | tail -c 1G >/dev/null; echo went on")
    assert (result.exit_code, result.limit) == (0, None)
    assert "went on" in result.text


# --- processes


@needs_python
async def test_processes_are_counted_for_each_sandbox(data_dir: Path, *, grouped: bool) -> None:
    sandbox = limited(data_dir, Limits(pids=50), grouped=grouped)
    command = f"{PYTHON} -c '{FORKS}'"
    for result in await asyncio.gather(sandbox.run(command), sandbox.run(command)):
        lines = result.text.splitlines()
        assert lines[0].endswith("Resource temporarily unavailable")
        assert 40 <= int(lines[1]) < 50
        if grouped:
            assert (result.exit_code, result.limit) == (None, "pids")


async def test_refused_processes_alone_are_no_failure(data_dir: Path, *, grouped: bool) -> None:
    sandbox = limited(data_dir, Limits(pids=20), grouped=grouped)
    result = await sandbox.run(
        "(for i in $(seq 60); do sleep 1 & done) 2>/dev/null & sleep 0.3; echo fine", timeout_s=8
    )
    assert (result.exit_code, result.limit, result.text) == (0, None, "fine\n")


async def test_a_fork_bomb_is_over_at_its_time(data_dir: Path, *, grouped: bool) -> None:
    sandbox = limited(data_dir, Limits(pids=40), grouped=grouped)
    result = await sandbox.run("bomb() { bomb | bomb & }; bomb; sleep 5", timeout_s=0.7)
    assert result.limit == "time"
    assert (await sandbox.run("echo alive")).text == "alive\n"


# --- output


async def test_endless_output_is_stopped(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(output_bytes=1 << 20))
    result = await sandbox.run("yes")
    assert (result.exit_code, result.limit) == (None, "output")
    assert len(result.output) == 64 * 1024
    assert 1 << 20 < len(result.output) + result.dropped <= (1 << 20) + (64 << 10)


async def test_tests_that_say_very_much_come_to_their_end(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits())
    result = await sandbox.run("head -c 12M /dev/zero; echo end")
    assert (result.exit_code, result.limit) == (0, None)
    assert result.output.endswith(b"end\n")
    assert len(result.output) + result.dropped == (12 << 20) + 4


async def test_a_caller_may_ask_for_more_than_is_usual(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(output_bytes=1 << 20))
    result = await sandbox.run("head -c 3M /dev/zero", keep_bytes=4 << 20)
    assert (result.exit_code, len(result.output), result.dropped) == (0, 3 << 20, 0)


# --- disk

TOO_MUCH = "for name in a b c d; do head -c 30M /dev/zero > $name; done"
"""Of which the poller sees enough even where others free space on the same disk meanwhile."""


async def test_one_file_is_never_larger_than_a_tree_may_be(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(disk_mb=8))
    await sandbox.run("trap '' XFSZ; dd if=/dev/zero of=big bs=1M count=20")
    assert (data_dir / "tree" / "workspace" / "big").stat().st_size <= 8 << 20


@pytest.mark.parametrize("place", ["/workspace", "/home/agent", "/tmp"])
async def test_a_tree_that_outgrows_its_limit_is_stopped(data_dir: Path, place: str) -> None:
    sandbox = limited(data_dir, Limits(disk_mb=32))
    command = f"cd {place}; for i in $(seq 40); do head -c 8M /dev/zero > f$i; done; sleep 8"
    result = await sandbox.run(command)
    assert (result.exit_code, result.limit) == (None, "disk")


@needs_python
async def test_room_that_is_asked_for_is_stopped_as_soon(data_dir: Path) -> None:
    """By `fallocate` each of these takes 50 microseconds."""
    reserve = (
        "import os\nfor i in range(100):\n"
        "  with open(f'{i}', 'w') as x: os.posix_fallocate(x.fileno(), 0, 30 << 20)"
    )
    sandbox = limited(data_dir, Limits(disk_mb=32))
    result = await sandbox.run(f"{PYTHON} -", stdin=reserve.encode())
    assert (result.exit_code, result.limit) == (None, "disk")
    assert tree_bytes(data_dir / "tree") < 1 << 30


async def test_a_short_command_that_left_too_much_is_told(own_disk: Path) -> None:
    sandbox = limited(own_disk, Limits(disk_mb=32))
    result = await sandbox.run(TOO_MUCH)
    assert (result.exit_code, result.limit) == (None, "disk")


async def test_what_is_too_much_can_be_removed(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(disk_mb=32))
    await sandbox.run(TOO_MUCH)
    assert (await sandbox.run("sleep 0.3; rm -f a b c d; sleep 0.3; echo done")).text == "done\n"
    assert (await sandbox.run("sleep 0.3; echo > e; sleep 0.3; echo done")).text == "done\n"


async def test_deleted_files_that_are_held_open_count(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(disk_mb=32))
    hide = 'for n in 5 6 7; do eval "exec $n> f; head -c 20M /dev/zero >&$n; rm f"; done; sleep 8'
    result = await sandbox.run(hide)
    assert (result.exit_code, result.limit) == (None, "disk")


FILES = 16 * 8 * 256
FILES_BOMB = "mkdir e; cd e; seq {count} | xargs -P 2 -n 400 touch; echo through"


async def test_empty_files_are_stopped_while_they_are_made(own_disk: Path) -> None:
    sandbox = limited(own_disk, Limits(disk_mb=8))
    endless = FILES_BOMB.format(count=100 * FILES)  # it is not through before the next look
    result = await sandbox.run(endless)
    assert (result.exit_code, result.limit) == (None, "disk")
    assert 8 * 256 < tree_bytes(own_disk / "tree") // ENTRY_BYTES < 100 * FILES


async def test_a_tree_that_cannot_be_counted_is_not_written_to_either(data_dir: Path) -> None:
    sandbox = limited(data_dir, Limits(disk_mb=8))
    await sandbox.run(f"for i in $(seq {DEEPEST + 1}); do mkdir d; cd d; done; sleep 8")
    write = "for i in $(seq 10); do head -c 8M /dev/zero > f$i; sleep 0.2; done; sleep 8"
    assert (await sandbox.run(write)).limit == "disk"
    assert (await sandbox.run("rm -rf d f*; echo removed")).text == "removed\n"


async def test_without_the_watcher_they_are_not(data_dir: Path) -> None:
    """The control."""
    assert (
        await limited(data_dir, Limits(disk_mb=4096)).run(FILES_BOMB.format(count=FILES))
    ).text == "through\n"


HIDDEN = """
mkdir -m 300 hidden; cd hidden
for i in 1 2 3 4 5 6; do head -c 8M /dev/zero > $i; sleep 0.5; done; echo wrote
"""


@pytest.mark.skipif(not AS_ROOT, reason="needs root, to be a service without it")
@pytest.mark.parametrize("name", ["bubblewrap", "docker"])
async def test_a_service_without_root_counts_what_may_not_be_listed(
    data_dir: Path, name: str
) -> None:
    """Its walker is no more than the user of the command."""
    programs = data_dir / "programs"
    program = install(programs, compile_filter()) / "docker"
    program.write_text(program.read_text().replace(sys.executable, PYTHON))  # any user's
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, 34567, 34567)
    drop = ("setpriv", "--reuid=34567", "--regid=34567", "--clear-groups", "--")
    done = await asyncio.create_subprocess_exec(
        *(*drop, sys.executable, "-c", WITHOUT_ROOT, str(data_dir), name, HIDDEN),
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await done.communicate()
    assert said == b"None disk False\n"


def write_files(folder: Path, names: range) -> None:
    for name in names:
        (folder / str(name)).touch()


async def test_empty_files_count(data_dir: Path) -> None:
    tree = make_tree(data_dir / "tree", None)
    size = TreeSize([str(tree)], 2 << 20)
    assert not size.has_outgrown(list)
    write_files(tree / "workspace", range(600))
    assert size.has_outgrown(list)


async def test_a_tree_too_deep_to_be_measured_is_over_its_limit(data_dir: Path) -> None:
    tree = make_tree(data_dir / "tree", None)
    size = TreeSize([str(tree)], 64 << 20)
    size.has_outgrown(list)
    make_deep(tree / "workspace")
    assert size.has_outgrown(list)


def make_deep(folder: Path) -> None:
    """Folders whose path is longer than one may be, and deeper than any honest one."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(DEEPEST):
        os.mkdir("d" * 250, dir_fd=here)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)


async def test_a_file_with_several_names_counts_once(data_dir: Path) -> None:
    tree = make_tree(data_dir / "tree", None)
    size = TreeSize([str(tree)], 2 << 20)
    size.has_outgrown(list)
    (tree / "workspace" / "a").write_bytes(b"x" * (1 << 20))
    for name in "bcdef":
        (tree / "home" / name).hardlink_to(tree / "workspace" / "a")
    assert not size.has_outgrown(list)


# --- processor


async def test_processor_time_is_shared_out(data_dir: Path) -> None:
    backend = make_backend(data_dir, Limits(cpus=0.25))
    if not backend.groups:
        pytest.skip("no control group can be made here")
    command = "TIMEFORMAT=%U; time timeout 1 sh -c 'while :; do :; done'"
    result = await open_tree(backend, data_dir / "tree").run(command)
    assert float(result.text.split()[-1]) < 0.6
    tight = make_backend(data_dir, Limits(cpus=0.05))
    tighter = await open_tree(tight, data_dir / "other").run(command)
    assert float(tighter.text.split()[-1]) < 0.2
