"""Containers with a fork server, each of which carries out one command after the other.

On a real daemon: the stand-in's containers have a root that cannot become another user.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from graph.errors import SandboxLost
from sandbox.backends.base.backend import Tree
from sandbox.backends.docker.argv import is_read_only
from sandbox.backends.docker.backend import LABEL, Docker
from sandbox.backends.docker.sandbox import DockerSandbox
from sandbox.core.protocol import Limits
from sandbox.host.orphans import process_name
from tests.standins.docker import calls
from tests.support.polling import until
from tests.support.sandbox.docker_backend import no_daemon, on_daemon, on_stand_in, opened
from tests.support.sandbox.local_tree import make_tree

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
LIMITS = Limits(timeout_s=20, memory_mb=128, pids=64, disk_mb=64, output_bytes=1 << 20)
WHICH = "grep -o 'docker[-/][0-9a-f]*' /proc/self/mountinfo /proc/1/cgroup; stat -c %i /dev"
"""Of two containers it says two things."""

CONNECT = """
import socket
with socket.socket() as server, socket.socket() as client:
    server.bind(("127.0.0.1", 8000)); server.listen()
    client.connect(("127.0.0.1", 8000)); server.accept()[0].close()
"""
"""The kernel keeps who closes first."""
HOLD = "python3 -c 'x = b\"1\" * (16 << 20); import time; time.sleep(3)'"


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def own_containers(pid: int | None = None) -> list[str]:
    """Those of a process; this one's where none is named."""
    label = f"label={LABEL}={process_name(pid or os.getpid())}"
    return docker("ps", "--all", "--quiet", "--no-trunc", f"--filter={label}").split()


@pytest.fixture
def daemon(data_dir: Path) -> Docker:
    if reason := no_daemon():
        pytest.skip(reason)
    return Docker(on_daemon(data_dir, LIMITS))


@pytest.fixture
async def sandbox(daemon: Docker, data_dir: Path) -> AsyncIterator[DockerSandbox]:
    made = opened(daemon, data_dir)
    yield made
    await made.close()
    assert own_containers() == []


async def which(sandbox: DockerSandbox) -> str:
    return (await sandbox.run(WHICH)).text


async def test_one_container_carries_out_one_command_after_the_other(
    sandbox: DockerSandbox,
) -> None:
    first = await which(sandbox)
    for number in range(5):
        result = await sandbox.run(f"cat; exit {number}", stdin=b"given")
        assert (result.text, result.exit_code) == ("given", number)
    assert await which(sandbox) == first
    assert len(own_containers()) == 1


async def test_a_command_finds_all_as_in_a_container_of_its_own(sandbox: DockerSandbox) -> None:
    show = "env | sort; pwd; id; umask; ulimit -a; stat -c %F /dev/stdin; ls -ld /dev/shm ~ /tmp;"
    show += "grep -E 'Cap|NoNew|Seccomp' /proc/self/status; echo $0 $#; ls /proc/self/fd; exit 3"
    warm = await sandbox.run(show)
    apart = await sandbox.execute(["/bin/bash", "-c", show, "bash"], environment={"A": "b"})
    assert (warm.exit_code, warm.text.splitlines()) == (3, apart.text.splitlines())


async def test_those_that_run_at_once_meet_neither_ports_nor_memory(
    sandbox: DockerSandbox,
) -> None:
    serve = "import socket, time; socket.create_server(('127.0.0.1', 8000)); time.sleep(1)"
    results = await asyncio.gather(*(sandbox.run(f'python3 -c "{serve}"') for _ in range(3)))
    assert [result.exit_code for result in results] == [0, 0, 0]


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ("yes", "output"),
        ("for n in {1..200}; do sleep 9 & done; wait", "pids"),
        ("x=$(head -c 400M /dev/zero | tr '\\0' x); sleep 9", "memory"),
        (f"for n in {{1..30}}; do {HOLD} & done; sleep 3; exit 1", "memory"),
        ("cat /dev/zero > /dev/shm/all; x=$(head -c 400M /dev/zero | tr '\\0' x)", "memory"),
        ("trap '' TERM; sleep 60 & exec sleep 61", "time"),
        ("head -c 40M /dev/zero > 1; cp 1 2; sleep 9", "disk"),
    ],
)
async def test_a_limit_ends_it_and_the_next_command_runs(
    sandbox: DockerSandbox, command: str, limit: str
) -> None:
    assert (await sandbox.run(command, timeout_s=6)).limit == limit
    assert (await sandbox.run("rm -f 1 2; echo next")).text == "next\n"


async def test_what_starts_it_takes_nothing_of_its_memory(sandbox: DockerSandbox) -> None:
    used = LIMITS.memory_mb - 8
    assert (await sandbox.run(f"python3 -c 'bytearray({used} << 20)'")).exit_code == 0
    assert (await sandbox.run(f"python3 -c 'bytearray({used + 24} << 20)'")).limit == "memory"


async def test_a_fork_bomb_holds_up_nobody_after_it(sandbox: DockerSandbox) -> None:
    await sandbox.run(":(){ :|:& };: ; sleep 15", timeout_s=3)
    assert (await sandbox.run("echo next")).text == "next\n"


@pytest.mark.parametrize(
    "left",
    [
        "echo > /dev/shm/left",
        "mkdir /dev/mqueue/x || perl -e 'shmget(9, 9, 0600 | 512)'",
        f"python3 -c '{CONNECT}'",
        "(x=$(head -c 400M /dev/zero | tr '\\0' x)); true",
    ],
)
async def test_what_outlives_its_processes_meets_no_other_command(
    sandbox: DockerSandbox, left: str
) -> None:
    before = await which(sandbox)
    assert (await sandbox.run(left)).exit_code == 0
    assert await which(sandbox) != before
    assert (await sandbox.run("ls /dev/shm; tail -n +2 /proc/sysvipc/shm")).text == ""


async def test_folders_of_an_image_that_can_be_written_to_are_new_for_each_command(
    daemon: Docker, data_dir: Path
) -> None:
    made = docker("create", daemon.options.image, "true").strip()
    image = docker("commit", "--change=VOLUME /var/tmp", made).strip()
    docker("rm", made)
    sandbox = opened(Docker(replace(daemon.options, image=image)), data_dir)
    try:
        assert (await sandbox.run("touch /var/tmp/left")).exit_code == 0
        assert (await sandbox.run("ls /var/tmp")).text == ""
    finally:
        await sandbox.close()
        docker("rmi", "--force", image)


async def test_a_command_cannot_end_trace_or_play_its_fork_server(sandbox: DockerSandbox) -> None:
    before = await which(sandbox)
    others = "for p in $(ls /proc | grep -x '[0-9]*'); do [ -O /proc/$p ] || {"
    for attack in (
        "kill -9 $p && exit",
        "kill -STOP $p && exit",
        ": > /proc/$p/fd/1 && exit",
        "cat /proc/$p/environ && exit",
        "cat /proc/$p/mem && exit",
        "ls /proc/$p/fd/ /proc/$p/cwd/ && exit",
        "echo 1000 > /proc/$p/oom_score_adj && exit",
    ):
        result = await sandbox.run(f"{others} {attack}; }}; done 2>/dev/null; echo refused")
        assert result.text == "refused\n", attack
    assert (await sandbox.run("ls /proc/self/fd | grep -vE '^[0123]$'")).exit_code == 1
    await sandbox.run("kill -9 -1")
    await sandbox.run("kill -9 1; setsid sh -c 'trap \"\" TERM; sleep 77' & echo begun")
    assert (await sandbox.run("cat /proc/[0-9]*/cmdline | grep -a 'sleep.7[7]'")).exit_code == 1
    assert await which(sandbox) == before


async def test_who_is_cancelled_leaves_nothing_and_others_alone(sandbox: DockerSandbox) -> None:
    other = asyncio.create_task(sandbox.run("sleep 2; echo stayed"))
    cancelled = asyncio.create_task(sandbox.run("setsid sleep 78 & sleep 79"))
    await until(lambda: running("sleep\0" + "78"))
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert not running("sleep\0" + "78")
    assert not running("sleep\0" + "79")
    assert (await other).text == "stayed\n"


async def test_closing_leaves_nothing_also_where_who_closes_is_cancelled(
    sandbox: DockerSandbox,
) -> None:
    await sandbox.run("true")
    going_on = asyncio.create_task(sandbox.run("sleep 84"))
    await until(lambda: running("sleep\0" + "84"))
    closing = asyncio.create_task(sandbox.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert own_containers() == []
    with pytest.raises(SandboxLost):
        await going_on


async def test_what_is_ended_from_outside_is_lost_and_the_next_has_another(
    sandbox: DockerSandbox,
) -> None:
    await sandbox.run("true")
    going_on = asyncio.create_task(sandbox.run("sleep 80"))
    await until(lambda: running("sleep\0" + "80"))
    docker("kill", *own_containers())
    with pytest.raises(SandboxLost):
        await going_on
    assert (await sandbox.run("echo anew")).text == "anew\n"


def through(daemon: Docker, folder: Path, script: str) -> Docker:
    """The same, whose calls of docker's program, `$docker`, come to a script first."""
    own = daemon.options.docker_environment
    program = folder / "programs" / "docker"
    program.parent.mkdir()
    real = shutil.which("docker", path=own["PATH"])
    program.write_text(f'#!/bin/bash\ndocker={real}\n{script}\nexec $docker "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{own['PATH']}"
    return Docker(replace(daemon.options, docker_environment={**own, "PATH": path}))


async def test_where_the_daemon_removes_nothing_it_is_ended_all_the_same(
    daemon: Docker, data_dir: Path
) -> None:
    sandbox = opened(through(daemon, data_dir, '[ "$1" = rm ] && exit 1'), data_dir)
    assert (await sandbox.run("setsid sleep 82 & sleep 83", timeout_s=1)).limit == "time"
    assert not running("sleep\0" + "82")
    assert not running("sleep\0" + "83")
    await sandbox.close()
    await until(lambda: own_containers() == [])


@pytest.mark.parametrize("step", ["start", "inspect"])
async def test_one_that_is_lost_as_it_starts_holds_up_nobody_and_the_next_has_another(
    daemon: Docker, data_dir: Path, step: str
) -> None:
    once = f'[ "$1" = {step} ] && rm {data_dir}/lost 2>/dev/null'
    lose = f"{once} && {{ $docker kill ${{@: -1}} || exit 1; sleep 0.3; }} >&2"
    sandbox = opened(through(daemon, data_dir, lose), data_dir)
    await sandbox.run("true")
    warm = sandbox._warm
    assert warm
    docker("kill", *own_containers())
    await until(lambda: not warm._guards)
    (data_dir / "lost").touch()
    async with asyncio.timeout(10):
        assert (await sandbox.run("echo apart")).text == "apart\n"
    assert not (data_dir / "lost").exists()
    assert await which(sandbox) == await which(sandbox)
    await sandbox.close()


async def test_closing_ends_who_needs_another_one_just_then(
    sandbox: DockerSandbox, daemon: Docker, data_dir: Path
) -> None:
    await sandbox.run("true")
    shutil.move(data_dir / "tree", data_dir / "away")
    make_tree(data_dir / "tree", daemon.uid_for_run("tree"))
    running = asyncio.create_task(sandbox.run("true"))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await sandbox.close()
    with pytest.raises(SandboxLost, match="closed"):
        await running


async def test_one_on_a_folder_that_was_replaced_is_not_used(
    sandbox: DockerSandbox, daemon: Docker, data_dir: Path
) -> None:
    await sandbox.run("touch before")
    shutil.move(data_dir / "tree", data_dir / "away")
    make_tree(data_dir / "tree", daemon.uid_for_run("tree"))
    assert (await sandbox.run("ls; touch here")).text == ""
    assert (data_dir / "tree" / "workspace" / "here").exists()


async def test_two_are_ready_where_more_follow_and_no_more_are_kept_for_long(
    sandbox: DockerSandbox,
) -> None:
    await sandbox.run("true", more_follow=True)
    warm = sandbox._warm
    assert warm
    await until(lambda: len(warm._idle) == 2)
    meet = "until [ $(ls met-* | wc -l) -ge 4 ]; do sleep 0.05; done"
    await asyncio.gather(*(sandbox.run(f"touch met-{n}; {meet}") for n in range(4)))
    now = asyncio.get_running_loop().time()
    left = [timer.when() - now for timer in warm._idle.values()]
    assert sorted(seconds > 60 for seconds in left) == [False, False, True, True]


SERVICE = """
import asyncio, sys
from pathlib import Path
from sandbox.core.protocol import Limits
from tests.support.sandbox.docker_backend import any_docker, opened

async def main(data):
    sandbox = opened(any_docker(data, Limits()), data)
    await sandbox.run("true")
    print("begun", flush=True)
    await sandbox.run("sleep 81")

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_service_that_is_killed_leaves_no_container(daemon: Docker, data_dir: Path) -> None:
    assert daemon
    other = data_dir / "other"
    other.mkdir(mode=0o755)
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVICE, str(other)),
        cwd=Path(__file__).parents[4],
        stdout=subprocess.PIPE,
    )
    assert service.stdout
    await service.stdout.readline()
    await until(lambda: running("sleep\0" + "81"))
    (container,) = own_containers(service.pid)
    service.send_signal(signal.SIGKILL)
    await service.wait()
    await until(lambda: container not in docker("ps", "--all", "--quiet", "--no-trunc"))
    assert not running("sleep\0" + "81")


async def test_an_image_without_python_is_remembered(daemon: Docker, data_dir: Path) -> None:
    """What a tree has under that name is not taken for it: it would run as the container's root."""
    image = image_without_python(daemon.options.image, data_dir / "image.tar")
    try:
        backend = Docker(replace(daemon.options, image=image))
        sandbox = opened(backend, data_dir)
        program = data_dir / "tree" / "home" / ".local" / "bin" / "python3"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/bash\nid -u > /workspace/planted\n")
        program.chmod(0o755)
        for _ in range(2):
            assert (await sandbox.run("ls planted; id -u")).exit_code == 0
        assert not (data_dir / "tree" / "workspace" / "planted").exists()
        assert backend._serves == {image: False}
        await sandbox.close()
    finally:
        docker("rmi", "--force", image)


def image_without_python(image: str, archive: Path) -> str:
    """Its id."""
    made = docker("create", image, "true").strip()
    docker("export", "--output", str(archive), made)
    docker("rm", made)
    listed = subprocess.run(["tar", "-tf", archive], check=True, capture_output=True, text=True)
    pythons = [name for name in listed.stdout.splitlines() if re.search(r"bin/python3[^/]*$", name)]
    subprocess.run(["tar", "--delete", "-f", archive, *pythons], check=True)
    return docker("import", str(archive)).strip()


async def test_where_none_can_be_it_is_tried_once_for_all_trees(data_dir: Path) -> None:
    backend = Docker(on_stand_in(data_dir, LIMITS))
    for name in ("one", "two"):
        sandbox = opened(backend, data_dir, name)
        assert (await sandbox.run("echo on")).text == "on\n"
        await sandbox.close()
    made = [words for words in calls(data_dir / "programs") if words[0] == "create"]
    assert ["--user=0:0" in words for words in made] == [True, False, False]


def test_a_program_that_a_command_may_have_written_is_never_roots(data_dir: Path) -> None:
    """Nor one of an image that a repository named."""
    for path in ("/workspace/bin:/bin", "/bin:", "bin", "/usr/../tmp", "/home/agent/.local/bin"):
        assert not is_read_only(path)
    backend = Docker(on_stand_in(data_dir, LIMITS))
    assert is_read_only(opened(backend, data_dir)._line.path)
    uid = backend.uid_for_run("named")
    tree = Tree(make_tree(data_dir / "named", uid), None, uid, image="sandbox-image")
    assert backend.attach(tree)._warm is None


def test_a_runtime_with_a_kernel_of_its_own_has_none(data_dir: Path) -> None:
    backend = Docker(on_stand_in(data_dir, LIMITS))
    assert opened(backend, data_dir, "one")._warm
    backend._daemon["DefaultRuntime"] = "runsc"
    assert opened(backend, data_dir, "two")._warm is None


def running(words: str) -> bool:
    """Whether a process of this machine has these among its words."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in path.read_text():
                return True
        except OSError:  # it has ended
            continue
    return False
