"""The docker backend: what the daemon is told, what is left, what is said where it is missing.

What commands find in it is in `test_contract.py`.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from graph.errors import SandboxUnavailable
from sandbox.backends.base.backend import BackendOptions
from sandbox.backends.docker.backend import LABEL, Docker
from sandbox.backends.docker.cli import DockerCli, docker_environment, end
from sandbox.backends.docker.execution import Execution
from sandbox.backends.docker.seccomp_profile import profile, profile_file
from sandbox.choose_backend import choose
from sandbox.core.output import BothEnds
from sandbox.core.protocol import Limits
from sandbox.host.orphans import process_name
from sandbox.selftest.trial import trial
from tests.standins.docker import calls, containers
from tests.support.sandbox.docker_backend import (
    SECRET,
    no_daemon,
    on_daemon,
    on_stand_in,
    opened,
)
from tests.support.small_disk import on_a_small_disk

pytestmark = pytest.mark.sandbox

OTHER_MACHINE = "0123456789ab"
PID_NAMESPACE = Path("/proc/self/ns/pid").stat().st_ino
"""The first one of each Linux machine has the same number."""
LIMITS = Limits(timeout_s=20, memory_mb=256, pids=64, disk_mb=64)


@pytest.fixture
def programs(data_dir: Path) -> Path:
    """The folder of the stand-in's program."""
    return data_dir / "programs"


def wanted(data: Path, **broken: str) -> BackendOptions:
    return on_stand_in(data, LIMITS, **broken)


@pytest.fixture
def daemon(data_dir: Path) -> Docker:
    if reason := no_daemon():
        pytest.skip(reason)
    return Docker(on_daemon(data_dir, LIMITS))


async def test_the_trial_holds(daemon: Docker) -> None:
    """On the stand-in it is tried where docker is chosen."""
    results = await trial(daemon, loop_s=0.5)
    assert [result for result in results if not result.held] == []
    assert {"environment", "file", "namespace", "vsock", "network", "calls"} <= {
        r.name for r in results
    }


async def test_files_without_a_name_count(daemon: Docker, data_dir: Path) -> None:
    """They are seen through the container's own process."""
    sandbox = opened(daemon, data_dir)
    fill = "for i in {1..9}; do exec {f}>$i; rm $i; head -c 30M /dev/zero >&$f; done; sleep 9"
    assert (await sandbox.run(fill)).limit == "disk"
    await sandbox.close()


async def test_a_process_that_is_not_the_containers_is_let_alone() -> None:
    """A daemon in a virtual machine names its numbers, which are others' here."""
    words = ("/bin/sleep", "60")
    program = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.PIPE, start_new_session=True
    )
    other = await asyncio.create_subprocess_exec(*words)
    attached = Execution(program, "0" * 64, BothEnds(9), 9)
    attached.see(other.pid)
    assert attached.pid == program.pid
    attached.stop("time")
    await attached.wait()
    state = Path(f"/proc/{other.pid}/stat").read_text().split()[2]
    other.kill()
    await other.wait()
    assert (state in "RSD", program.returncode) == (True, -signal.SIGKILL)


FULL_DISK = """
import asyncio, sys
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from sandbox.core.protocol import Limits
from tests.support.sandbox.docker_backend import Docker, on_stand_in, opened

async def main(data, elsewhere):
    options = on_stand_in(elsewhere, Limits(timeout_s=20))
    sandbox = opened(Docker(replace(options, state=data / "state")), elsewhere)
    small = await sandbox.transfer("head -c 1M /dev/zero", target=data / "small")
    print(small.exit_code, (data / "small").stat().st_size)
    large = await sandbox.transfer("head -c 64M /dev/zero", target=data / "large")
    print(large.exit_code, "No space left on device" in large.reason)

asyncio.run(main(*map(Path, sys.argv[1:])))
"""


async def test_output_that_this_machines_disk_does_not_take_is_an_error(data_dir: Path) -> None:
    """The command itself writes it, and fails: a cut file would be taken for whole."""
    said = await asyncio.to_thread(
        on_a_small_disk, data_dir / "small", 16 << 10, FULL_DISK, str(data_dir)
    )
    assert said.splitlines() == ["0 1048576", "1 True"]


@pytest.mark.slow
async def test_a_child_that_holds_the_output_open_holds_nobody_up() -> None:
    script = "setsid sleep 30 & echo $!"
    program = await asyncio.create_subprocess_exec(
        "/bin/bash", "-c", script, stdout=subprocess.PIPE, start_new_session=True
    )
    assert program.stdout
    left = int(await program.stdout.readline())
    await asyncio.wait_for(end(program), 20)
    os.kill(left, signal.SIGKILL)


# --- what the daemon is told, and what is left


async def test_a_container_is_confined_and_removed(data_dir: Path, programs: Path) -> None:
    sandbox = opened(Docker(wanted(data_dir)), data_dir)
    await sandbox.run("true")
    await sandbox.close()
    warm, create = [words for words in calls(programs) if words[0] == "create"]
    needed = {
        *("--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"),
        *("--pull=never", "--cpus=2"),
        *("--ipc=private", "--ulimit=core=0:0", f"--ulimit=fsize={64 << 20}:{64 << 20}"),
    }
    assert needed <= set(create) & set(warm)
    assert {"--pids-limit=64", "--memory=256m", "--memory-swap=256m"} <= set(create)
    assert {"--pids-limit=80", "--memory=268m", "--memory-swap=268m"} <= set(warm)
    added = {word for word in (*create, *warm) if word.startswith("--cap-add")}
    assert added == {f"--cap-add={name}" for name in ("SETUID", "SETGID", "SETPCAP", "KILL")}
    assert not added & set(create)
    (calls_file,) = (word for word in create if "seccomp" in word)
    assert calls_file == f"--security-opt=seccomp={profile_file(data_dir / 'state')}"
    assert "--privileged" not in create + warm
    assert not [word for word in create + warm if "docker.sock" in word or SECRET in word]
    user = next(word for word in create if word.startswith("--user="))
    assert user.partition("=")[2].split(":")[0] not in {"0", ""}
    binds, those_of_warm = (
        [line[at + 1] for at, word in enumerate(line) if word == "--mount"]
        for line in (create, warm)
    )
    assert binds == those_of_warm
    writable = {bind.split("target=")[1] for bind in binds if not bind.endswith(",readonly")}
    assert writable == {"/workspace", "/home/agent", "/tmp"}
    # how often its state is asked for while it starts is up to the machine's speed
    asked = [name for name, _ in groupby(words[0] for words in calls(programs))]
    assert asked[-4:] == ["create", "start", "inspect", "rm"]
    assert containers(programs) == []


@pytest.mark.skipif(not shutil.which("docker"), reason="docker's program is optional, not here")
async def test_dockers_own_program_understands_it(data_dir: Path) -> None:
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
    line = opened(Docker(wanted(data_dir)), data_dir)._line
    cli = DockerCli(
        shutil.which("docker") or "", docker_environment(f"unix://{data_dir}/docker.sock")
    )
    words = line.build("a-name", ["true"], seconds=5, stdin=True, to_file=False)
    done = await cli.call(*words)
    server.close()
    assert (done.returncode, done.stdout, done.stderr) == (0, "0123\n", "")
    host = asked["HostConfig"]
    assert (host["NetworkMode"], host["ReadonlyRootfs"], host["CapDrop"]) == ("none", True, ["ALL"])
    opened_up, filtered = host["SecurityOpt"]
    assert (opened_up, host["Privileged"]) == ("no-new-privileges", False)
    assert json.loads(filtered.removeprefix("seccomp=")) == json.loads(json.dumps(profile()))
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (256 << 20, 256 << 20, 64)
    assert (host["NanoCpus"], host["IpcMode"]) == (2 * 10**9, "private")
    assert {mount["Target"]: mount.get("ReadOnly", False) for mount in host["Mounts"]} == {
        **dict.fromkeys(("/workspace", "/home/agent", "/tmp"), False),
        **dict.fromkeys(("/etc/passwd", "/etc/group", "/own-tools/uv"), True),
    }
    assert asked["Entrypoint"] == ["timeout"]
    assert asked["Cmd"][:2] == [
        "--signal=KILL",
        "45",
    ]  # three times its own, and time to be removed
    assert asked["Cmd"][-1] == "true"
    assert (asked["OpenStdin"], asked["Tty"], asked["WorkingDir"]) == (True, False, "/workspace")
    assert asked["User"] not in {"", "0", "0:0"}


@pytest.mark.parametrize("odd", ["a,b", 'a"b', "a b", "a=b"])
def test_a_folder_of_any_name_is_one_mount(data_dir: Path, odd: str) -> None:
    (data_dir / odd).mkdir()
    backend = Docker(wanted(data_dir))
    sandbox = opened(backend, data_dir / odd)
    words = sandbox._line.constant
    mounts = [words[at + 1] for at, word in enumerate(words) if word == "--mount"]
    assert any(odd.replace('"', '""') in mount for mount in mounts)
    assert all(mount.count("type=bind") == 1 for mount in mounts)


def test_containers_of_dead_services_are_removed(data_dir: Path, programs: Path) -> None:
    backend = Docker(wanted(data_dir))
    own, dead = LABEL, f"{OTHER_MACHINE}-{PID_NAMESPACE}-{2**22}-1"
    machine = process_name(os.getpid()).rsplit("-", 2)[0]
    for name, service in {"left": f"{machine}-{2**22}-1", "other": dead}.items():
        words = ["create", "--name", name, "--label", f"{own}={service}", "image"]
        subprocess.run([programs / "docker", *words], check=True, stdout=subprocess.DEVNULL)
    backend.end_orphans()
    assert containers(programs) == ["other"]  # of another machine's service nobody here can tell


@pytest.mark.parametrize(
    ("call", "said", "message", "fix"),
    [
        ("info", "Cannot connect to the Docker daemon", "does not answer", "systemctl start"),
        ("info", "permission denied while trying to connect to docker", "answer", "usermod -aG"),
        ("create", "bind source path does not exist: /x", "cannot make", "File sharing"),
        ("start", 'exec: "timeout": executable file not found', "lost", "docker build"),
        ("start", "seccomp is not enabled in your kernel", "lost", "Update docker"),
    ],
)
async def test_what_is_missing_is_told(
    data_dir: Path, call: str, said: str, message: str, fix: str
) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        await choose("docker", wanted(data_dir, **{call: said}))
    assert said in caught.value.message
    assert message in caught.value.message
    assert fix in caught.value.hint
    assert containers(data_dir / "programs") == []


async def test_without_program_or_image_it_says_what_to_do(data_dir: Path) -> None:
    nothing = replace(wanted(data_dir), docker_environment={"PATH": "/none"})
    with pytest.raises(SandboxUnavailable, match="docker is not installed"):
        await choose("docker", nothing)
    other = replace(wanted(data_dir), image="missing")
    with pytest.raises(SandboxUnavailable, match="the image missing is not") as caught:
        await choose("docker", other)
    assert caught.value.hint == "docker pull missing"


def test_doctor_says_which_docker_it_tried(data_dir: Path) -> None:
    backend = Docker(wanted(data_dir))
    assert backend.describe().detail == "docker 28.0, runtime runc, image sandbox-image"


async def test_docker_is_chosen_once_tried(data_dir: Path, programs: Path) -> None:
    backend = await choose("docker", wanted(data_dir))
    assert backend.name == "docker"
    assert (data_dir / "state" / "verdict-docker.json").exists()
    tried = len(calls(programs))
    await choose("docker", wanted(data_dir))
    assert [words[0] for words in calls(programs)[tried:]] == ["info", "image", "ps"]
