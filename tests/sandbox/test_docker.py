"""The docker backend: on a stand-in for its program, and on a real daemon where there is one.

Docker is optional, so no machine has to have it: without a daemon those tests are skipped.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.choice import Wanted, choose
from sandbox.docker import LABEL, Docker
from sandbox.docker_cli import DockerCli, docker_environment
from sandbox.docker_sandbox import DockerSandbox
from sandbox.sandbox import FileRefused, Limits
from sandbox.trial import trial
from tests.sandbox.local_tree import compiled, make_tree, run_outside
from tests.standins import docker as stand_in
from tests.standins.docker import IMAGE, calls, containers
from tests.standins.polling import until

pytestmark = pytest.mark.sandbox

LIMITS = Limits(timeout_s=20, memory_mb=256, pids=64, disk_mb=64)
REAL_IMAGE = "coding-agent-sandbox"


@cache
def no_daemon() -> str:
    """Why there is no real docker to try, or nothing."""
    program = shutil.which("docker")
    if program is None:
        return "docker is not installed"
    asked = subprocess.run(
        [program, "image", "inspect", REAL_IMAGE], capture_output=True, text=True, check=False
    )
    return asked.stderr.strip() if asked.returncode else ""


@pytest.fixture
def programs(data_dir: Path) -> Path:
    return stand_in.install(data_dir / "programs", compiled())


def path_of(programs: Path) -> dict[str, str]:
    return {"PATH": f"{programs}:/usr/bin:/bin", "SECRET": "canary-of-the-service"}


def wanted(data: Path, programs: Path, limits: Limits = LIMITS) -> Wanted:
    return Wanted(
        limits=limits, state=data / "state", image=IMAGE, docker_environment=path_of(programs)
    )


@pytest.fixture(params=["stand-in", "daemon"])
def backend(request: pytest.FixtureRequest, data_dir: Path, programs: Path) -> Docker:
    if request.param == "stand-in":
        return wanted(data_dir, programs).docker()
    if reason := no_daemon():
        pytest.skip(f"no docker daemon with the image {REAL_IMAGE} (optional): {reason}")
    environment = docker_environment(os.environ.get("DOCKER_HOST"))
    return Docker(
        limits=LIMITS, state=data_dir / "state", image=REAL_IMAGE, environment=environment
    )


def opened(backend: Docker, data: Path, name: str = "tree") -> DockerSandbox:
    owner = backend.owner_of(name)
    return backend.attach(make_tree(data / name, owner), None, owner)


# --- the Protocol


async def test_a_command_runs_as_elsewhere(backend: Docker, data_dir: Path) -> None:
    sandbox = opened(backend, data_dir)
    result = await sandbox.run(
        "pwd; id -un; echo ~; hostname; echo one; echo two >&2; cat; exit 42", stdin=b"in\n"
    )
    assert result.text == "/workspace\nagent\n/home/agent\nsandbox\none\ntwo\nin\n"
    assert (result.exit_code, result.limit) == (42, None)
    assert (await sandbox.run("cat | wc -c; kill -9 $$")).exit_code == 137
    long = await sandbox.run(f": {'x' * 200_000}; echo $0; echo kept > ~/a; echo kept > /tmp/b")
    assert (long.exit_code, long.text) == (0, "/etc/command.sh\n")
    assert (await sandbox.run("cat ~/a /tmp/b; touch /new /usr/new")).text.startswith("kept\nkept")
    assert not (data_dir / "tree" / "new").exists()


async def test_files_are_read_and_written_inside(backend: Docker, data_dir: Path) -> None:
    sandbox = opened(backend, data_dir)
    await sandbox.write("a/b", b"\0data")
    assert await sandbox.read("a/b") == b"\0data"
    with pytest.raises(FileRefused, match="no such file"):
        await sandbox.read("missing")


async def test_limits_end_a_command_and_all_it_started(backend: Docker, data_dir: Path) -> None:
    sandbox = opened(backend, data_dir)
    marker = "976.531"
    ignoring = f"trap '' TERM INT; setsid sleep {marker} & echo so far; sleep {marker}"
    result = await sandbox.run(ignoring, timeout_s=1.5)
    assert (result.text, result.limit, result.exit_code) == ("so far\n", "time", None)
    assert (await sandbox.run("yes")).limit == "output"
    bomb = "for i in $(seq 20); do head -c 16M /dev/zero > f$i; done; sleep 8"
    assert (await sandbox.run(bomb)).limit == "disk"
    assert marker not in run_outside("cat /proc/[0-9]*/cmdline", data_dir).stdout


async def test_what_is_cancelled_or_closed_is_gone(backend: Docker, data_dir: Path) -> None:
    sandbox = opened(backend, data_dir)
    marker = "975.642"
    task = asyncio.create_task(sandbox.run(f"sleep {marker}"))
    other = asyncio.create_task(sandbox.run("touch started; sleep 60"))
    await until((data_dir / "tree" / "workspace" / "started").exists)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await sandbox.close()
    with pytest.raises(SandboxLost, match="closed"):
        await other
    assert marker not in run_outside("cat /proc/[0-9]*/cmdline", data_dir).stdout
    with pytest.raises(SandboxLost, match="closed"):
        await sandbox.run("true")


async def test_the_trial_holds(backend: Docker) -> None:
    results = await trial(backend, loop_s=0.5)
    assert [result for result in results if not result.held] == []
    assert {"environment", "file", "namespace", "vsock", "network"} <= {r.name for r in results}


# --- what the daemon is told, and what is left


async def test_a_container_is_confined_and_removed(data_dir: Path, programs: Path) -> None:
    backend = wanted(data_dir, programs).docker()
    await opened(backend, data_dir).run("true")
    (create,) = [words for words in calls(programs) if words[0] == "create"]
    needed = {
        *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--pull=never", "--memory=256m", "--memory-swap=256m", "--cpus=2", "--pids-limit=64"),
        *("--ipc=private", "--ulimit=core=0:0", f"--ulimit=fsize={64 << 20}:{64 << 20}"),
    }
    assert needed <= set(create)
    assert not [word for word in create if "seccomp" in word or word == "privileged"]
    assert not [word for word in create if "docker.sock" in word or "canary" in word]
    user = next(word for word in create if word.startswith("--user="))
    assert user.partition("=")[2].split(":")[0] not in {"0", ""}
    binds = [create[at + 1] for at, word in enumerate(create) if word == "--mount"]
    writable = {bind.split("target=")[1] for bind in binds if not bind.endswith(",readonly")}
    assert writable == {"/workspace", "/home/agent", "/tmp"}
    assert [words[0] for words in calls(programs)][-4:] == ["create", "start", "inspect", "rm"]
    assert containers(programs) == []


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's program is optional, not here")
async def test_dockers_own_program_understands_it(data_dir: Path, programs: Path) -> None:
    """What the real program asks its daemon for, seen by a stand-in for the daemon."""
    asked: dict[str, Any] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        if b"/containers/create" in head:
            asked.update(json.loads(body))
        writer.write(b"HTTP/1.1 201 Created\r\nApi-Version: 1.47\r\nOstype: linux\r\n")
        told = b'{"Id": "0123", "Warnings": []}' if body else b""
        writer.write(b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
        writer.close()

    server = await asyncio.start_unix_server(answer, data_dir / "docker.sock")
    line = opened(wanted(data_dir, programs).docker(), data_dir)._line
    cli = DockerCli(
        shutil.which("docker") or "", docker_environment(f"unix://{data_dir}/docker.sock")
    )
    words = line.build("a-name", ["true"], seconds=5, stdin=True)
    code, output, complaint = await cli.call(*words)
    server.close()
    assert (code, output, complaint) == (0, b"0123\n", "")
    host = asked["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    assert (host["SecurityOpt"], host["Privileged"]) == (["no-new-privileges"], False)
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (256 << 20, 256 << 20, 64)
    assert (host["NanoCpus"], host["IpcMode"]) == (2 * 10**9, "private")
    assert {mount["Target"]: mount.get("ReadOnly", False) for mount in host["Mounts"]} == {
        **dict.fromkeys(("/workspace", "/home/agent", "/tmp"), False),
        **dict.fromkeys(("/etc/passwd", "/etc/group"), True),
    }
    assert asked["Entrypoint"] == ["timeout"]
    assert asked["Cmd"][:2] == ["--signal=KILL", "35"]
    assert asked["Cmd"][-1] == "true"
    assert (asked["OpenStdin"], asked["Tty"], asked["WorkingDir"]) == (True, False, "/workspace")
    assert asked["User"] not in {"", "0", "0:0"}


@pytest.mark.parametrize("odd", ["a,b", 'a"b', "a b", "a=b"])
def test_a_folder_of_any_name_is_one_mount(data_dir: Path, programs: Path, odd: str) -> None:
    (data_dir / odd).mkdir()
    backend = wanted(data_dir, programs).docker()
    sandbox = opened(backend, data_dir / odd)
    words = sandbox._line.constant
    mounts = [words[at + 1] for at, word in enumerate(words) if word == "--mount"]
    assert any(odd.replace('"', '""') in mount for mount in mounts)
    assert all(mount.count("type=bind") == 1 for mount in mounts)


def test_containers_of_dead_services_are_removed(data_dir: Path, programs: Path) -> None:
    backend = wanted(data_dir, programs).docker()
    own, dead = LABEL, "1-2-3"
    namespace = Path("/proc/self/ns/pid").stat().st_ino
    for name, service in {"left": f"{namespace}-{2**22}-1", "other": dead}.items():
        words = ["create", "--name", name, "--label", f"{own}={service}", "image"]
        subprocess.run([programs / "docker", *words], check=True, stdout=subprocess.DEVNULL)
    backend.end_leftovers()
    assert containers(programs) == ["other"]  # of another machine's service nobody here can tell


@pytest.mark.parametrize(
    ("call", "said", "message", "mend"),
    [
        ("info", "Cannot connect to the Docker daemon", "does not answer", "systemctl start"),
        ("info", "permission denied while trying to connect to docker", "answer", "usermod -aG"),
        ("create", "bind source path does not exist: /x", "cannot make", "File sharing"),
        ("start", 'exec: "timeout": executable file not found', "lost", "docker build"),
    ],
)
async def test_what_is_missing_is_told(
    data_dir: Path, call: str, said: str, message: str, mend: str
) -> None:
    programs = stand_in.install(data_dir / "programs", compiled(), **{call: said})
    with pytest.raises(SandboxUnavailable) as caught:
        await choose("docker", wanted(data_dir, programs))
    assert said in caught.value.message
    assert message in caught.value.message
    assert mend in caught.value.hint
    assert containers(programs) == []


async def test_without_program_or_image_it_says_what_to_do(data_dir: Path, programs: Path) -> None:
    nothing = Wanted(limits=LIMITS, state=data_dir / "s", docker_environment={"PATH": "/none"})
    with pytest.raises(SandboxUnavailable, match="docker is not installed"):
        await choose("docker", nothing)
    other = Wanted(
        limits=LIMITS,
        state=data_dir / "s",
        image="missing",
        docker_environment=path_of(programs),
    )
    with pytest.raises(SandboxUnavailable, match="the image missing is not") as caught:
        await choose("docker", other)
    assert caught.value.hint == "docker pull missing"


async def test_docker_is_chosen_once_tried(data_dir: Path, programs: Path) -> None:
    backend = await choose("docker", wanted(data_dir, programs))
    assert backend.name == "docker"
    assert (data_dir / "state" / "verdict-docker.json").exists()
    tried = len(calls(programs))
    await choose("docker", wanted(data_dir, programs))
    assert [words[0] for words in calls(programs)[tried:]] == ["info", "image", "ps"]
