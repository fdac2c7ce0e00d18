"""Attacks on what is outside of a sandbox, each beside a control: without it they get through.

An attack is a shell script that succeeds only when it gets through. Those without a control would
do harm outside, or need what not every machine has.
"""

import asyncio
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal, NamedTuple

import pytest

from sandbox.backends.base.backend import Tree
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.backends.docker.backend import Docker
from sandbox.core.protocol import Limits
from tests.support.polling import until
from tests.support.sandbox.docker_backend import no_daemon, on_daemon, opened
from tests.support.sandbox.local_tree import (
    AS_ROOT,
    make_backend,
    make_tree,
    open_tree,
    run_outside,
)

pytestmark = pytest.mark.sandbox

ABSTRACT = "coding-agent-escape-test"
PTRACE = {"x86_64": 101, "aarch64": 117}.get(platform.machine(), -1)
CANARY = {"ANTHROPIC_API_KEY": "canary-in-the-environment"}


class Attack(NamedTuple):
    """`{…}` is filled from what the test put outside; `control`: who gets through there."""

    script: str
    control: Literal["anyone", "root", "nobody"] = "anyone"


_OTHERS = "for p in $(ls /proc | grep -x '[0-9]*'); do [ -O /proc/$p ] || {"
_DONE = "&& exit; }; done; exit 1"
"""On processes of others that a command sees: what started it in a container is one."""
ATTACKS: Final[dict[str, Attack]] = {
    # what this process knows
    "environment": Attack("env | grep -q canary-in-the"),
    "environments": Attack("cat /proc/[0-9]*/environ | grep -qa canary-in-the"),
    "command lines": Attack("cat /proc/[0-9]*/cmdline | grep -qa 'decoy-[0-9]'"),
    "another process": Attack("grep -qa 'decoy-[0-9]' /proc/{pid}/cmdline"),
    "signal to a process": Attack("kill -CONT {pid} && grep -qa 'decoy-[0-9]' /proc/{pid}/cmdline"),
    "a process's folder": Attack("ls /proc/{pid}/cwd{outside}"),
    "a process's environment": Attack("grep -qa canary-in-the /proc/{pid}/environ"),
    # files
    "file": Attack("cat {outside}"),
    "file by a link": Attack("ln -sf {outside} link; cat link"),
    "a process's memory map": Attack("grep -q . /proc/{pid}/maps"),
    "a process's descriptors": Attack("ls /proc/{pid}/fd/0"),
    "trace a process": Attack(f"perl -e 'exit(syscall({PTRACE}, 16, {{pid}}, 0, 0) != 0)'", "root"),
    "file by a process": Attack("cat /proc/{pid}/root{outside}"),
    "file by the first process": Attack("cat /proc/1/root{outside}", "nobody"),
    "file by dots": Attack("cat ../../../../../../../..{outside}"),
    "another tree": Attack("ls {other}/workspace/secret"),
    "write beside the tree": Attack("touch {data}/planted"),
    "hard link to the outside": Attack("ln {outside} hard"),
    "the host's accounts": Attack("grep -v -e ^root: -e ^agent: -e ^nobody: /etc/passwd"),
    "root's home": Attack("ls -A /root | grep -q .", "nobody"),
    "host's /run": Attack("ls /run/*"),
    "host's /dev/shm": Attack("ls {shm}"),
    "move the workspace away": Attack("cd /; mv /workspace /tmp/w", "nobody"),
    "write to the system": Attack("touch /usr/bin/planted && rm /usr/bin/planted", "root"),
    "remount the system": Attack("mount -o remount,rw /usr && touch /usr/planted", "nobody"),
    # kernel
    "kernel settings": Attack(
        "echo $(</proc/sys/kernel/core_pattern) > /proc/sys/kernel/core_pattern",
        "root",
    ),
    "host name": Attack("read -r h < {hostname} && echo $h > {hostname}", "root"),
    "last to be killed for memory": Attack("echo -500 > /proc/self/oom_score_adj", "nobody"),
    "kernel settings by mount": Attack("mount -t proc proc /tmp && ls /tmp/sys", "nobody"),
    "sysrq": Attack("echo h > /proc/sysrq-trigger", "nobody"),
    "sysfs": Attack("ls /sys/kernel"),
    "control groups": Attack("ls /sys/fs/cgroup/*"),
    "kernel log": Attack("test -e /dev/kmsg && head -c1 /dev/kmsg", "nobody"),
    "kernel keys": Attack(
        "test -r /proc/keys && grep -q . /proc/keys && grep -q _ses /proc/keys",
        "nobody",
    ),
    "disks": Attack("ls /dev/[sv]d* /dev/nvme* /dev/vsock", "nobody"),
    "device": Attack("mknod null c 1 3 && echo x > null", "root"),
    "first process's memory": Attack("dd if=/dev/zero of=/proc/1/mem bs=1 count=1", "nobody"),
    # rights
    "user namespace": Attack("unshare -Ur true", "root"),
    "mount namespace": Attack("unshare -m true", "root"),
    "nested sandbox": Attack("bwrap --ro-bind / / true", "root"),
    "mount": Attack("mkdir -p m && unshare -m mount -t tmpfs none m", "root"),
    "chroot": Attack("chroot / true", "root"),
    "capabilities": Attack("grep -q 'CapEff:.*[1-9a-f]' /proc/self/status", "root"),
    "bounding set": Attack("grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status", "root"),
    "set-uid programs": Attack("grep -q 'NoNewPrivs:.0' /proc/self/status"),
    "become root": Attack("setpriv --reuid=0 true", "root"),
    "higher priority": Attack("nice -n -5 nice | grep -qx -e -5", "root"),
    "larger limits": Attack("ulimit -f unlimited"),
    # other processes and machines
    "port of this machine": Attack("exec 3<>/dev/tcp/127.0.0.1/{port}"),
    "abstract socket": Attack(
        "perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => qq(\\0{abstract})) or exit 1'",
    ),
    "socket with a file": Attack(
        'perl -e \'my $s; exit !(socket($s, 1, 1, 0) && connect($s, pack("S a*", 1, "{local}")))\'',
    ),
    "socket of the kernel's ciphers": Attack("perl -e 'exit !socket(my $s, 38, 5, 0)'", "nobody"),
    "socket to the hypervisor": Attack("perl -e 'exit !socket(my $s, 40, 1, 0)'", "nobody"),
    "raw packets": Attack("perl -e 'exit !socket(my $s, 2, 3, 1)'", "root"),
    "network": Attack("grep -v -e lo: -e '|' /proc/net/dev", "nobody"),
    "names": Attack("getent hosts github.com", "nobody"),
    "shared memory": Attack("ipcs -m | grep -q {shared}"),
    "end another user's process": Attack(f"{_OTHERS} kill -CONT $p {_DONE}", "nobody"),
    "what others were started with": Attack(f"{_OTHERS} cat /proc/$p/environ {_DONE}", "nobody"),
    "memory of others": Attack(f"{_OTHERS} head -c1 /proc/$p/mem {_DONE}", "nobody"),
    "what others write to": Attack(f"{_OTHERS} : > /proc/$p/fd/1 {_DONE}", "nobody"),
    "files of others": Attack(f"{_OTHERS} ls /proc/$p/cwd/ /proc/$p/fd/ {_DONE}", "nobody"),
    "kill everyone": Attack("kill -9 -1; test -e /proc/{pid}", "nobody"),
}


OF_THE_CONTAINER = {"host's /run", "sysfs", "control groups"}
"""The image's own `/run`; and docker shows its own control groups and `/sys`, masked, to read."""


@pytest.fixture
def outside(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What lies outside: files, another tree, a process, listening sockets, a memory segment."""
    for name, value in CANARY.items():
        monkeypatch.setenv(name, value)
    secret = data_dir / "outside"
    secret.write_text("a secret of the host\n")
    secret.chmod(0o644)
    other = make_tree(data_dir / "other", None)
    (other / "workspace" / "secret").touch()
    decoy = subprocess.Popen([f"decoy-{os.getpid()}", "60"], executable="/bin/sleep", cwd="/")
    made = subprocess.run(["ipcmk", "-M", "4096"], capture_output=True, text=True, check=True)
    shared = made.stdout.split()[-1]
    shm = Path("/dev/shm", f"{ABSTRACT}-{os.getpid()}")
    shm.touch()
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        for name in (f"\0{ABSTRACT}-{os.getpid()}", str(data_dir / "local")):
            local = stack.enter_context(socket.socket(socket.AF_UNIX))
            local.bind(name)
            local.listen()
        (data_dir / "local").chmod(0o777)
        yield {
            "shm": str(shm),
            "local": str(data_dir / "local"),
            "hostname": "/proc/sys/kernel/hostname",
            "outside": str(secret),
            "other": str(other),
            "data": str(data_dir),
            "port": str(server.getsockname()[1]),
            "abstract": f"{ABSTRACT}-{os.getpid()}",
            "shared": f"'^0x.* {shared} '",
            "pid": str(decoy.pid),
        }
    shm.unlink()
    subprocess.run(["ipcrm", "-m", shared], check=True)
    decoy.kill()
    decoy.wait()


def fill(attack: Attack, words: dict[str, str]) -> str:
    """The script, which says that it tries, and that it got through."""
    script = attack.script
    for name, word in words.items():
        script = script.replace(f"{{{name}}}", word)
    return f"echo tried\nif ( {script} ) >/dev/null 2>&1; then echo through; fi"


@pytest.mark.parametrize("name", ATTACKS)
async def test_no_attack_gets_through(
    name: str, outside: dict[str, str], sandbox: BubblewrapSandbox
) -> None:
    result = await sandbox.run(fill(ATTACKS[name], outside), timeout_s=10)
    assert result.text.startswith("tried\n"), result
    assert "through" not in result.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
async def test_none_gets_through_where_its_sandbox_was_started_before(
    name: str, outside: dict[str, str], sandbox: BubblewrapSandbox
) -> None:
    await sandbox.run("true", more_follow=True)
    await until(lambda: bool(sandbox._ready))  # it starts a moment after the command's end
    before = sandbox._ready[0]
    result = await sandbox.run(fill(ATTACKS[name], outside), timeout_s=10)
    assert before._task.result(), "it was started anew"
    await sandbox.close()
    assert result.text.startswith("tried\n"), result
    assert "through" not in result.text


@pytest.mark.parametrize("container", ["warm", "own", "started before"])
async def test_none_gets_through_in_docker(
    outside: dict[str, str], data_dir: Path, container: str
) -> None:
    """All in one container; the last kills what runs them."""
    if reason := no_daemon():
        pytest.skip(reason)
    sandbox = opened(Docker(on_daemon(data_dir, Limits())), data_dir)
    scripts = [
        fill(attack, outside)
        .replace("echo tr", f"echo {at} tr")
        .replace("echo th", f"echo {at} th")
        for at, attack in enumerate(ATTACKS.values())
    ]
    if container != "warm":
        sandbox._warm = None
    await sandbox.run("true", more_follow=container == "started before")
    told = (await sandbox.run("\n".join(scripts))).text.splitlines()
    await sandbox.close()
    assert [line for line in told if "tried" in line] == [
        f"{at} tried" for at in range(len(ATTACKS))
    ]
    names = list(ATTACKS)
    through = {names[int(line.split()[0])] for line in told if "through" in line}
    assert through == OF_THE_CONTAINER


@pytest.mark.parametrize("name", [n for n, each in ATTACKS.items() if each.control != "nobody"])
def test_outside_it_gets_through(name: str, outside: dict[str, str], data_dir: Path) -> None:
    attack = ATTACKS[name]
    if attack.control == "root" and not AS_ROOT:
        pytest.skip("only root gets through")
    done = run_outside(fill(attack, outside), data_dir, CANARY)
    assert done.stdout == "tried\nthrough\n"


async def test_an_open_file_of_ours_does_not_leak(
    data_dir: Path, sandbox: BubblewrapSandbox
) -> None:
    secret = data_dir / "open"
    secret.write_text("open")
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - positional only
        attack = f"cat <&{file.fileno()}"
        assert (await sandbox.run(attack)).exit_code == 1
        control = await asyncio.create_subprocess_exec(
            *("/bin/bash", "-c", attack), pass_fds=[file.fileno()], stdout=subprocess.PIPE
        )
        assert (await control.communicate())[0] == b"open"


async def test_what_one_command_planted_does_not_lead_the_next_out(
    data_dir: Path, sandbox: BubblewrapSandbox
) -> None:
    for place in ("/workspace", "/home/agent", "/tmp"):
        plant = f"cd {place} && ln -s /oldroot/etc a && ln -s /newroot b && ln -s ../../../.. c"
        assert (await sandbox.run(plant)).exit_code == 0
    before = sorted(path.name for path in data_dir.iterdir())
    for name in ("etc", "proc", "dev", ".git"):
        await sandbox.run(f"ln -s {data_dir} /workspace/{name}")
    assert (await sandbox.run("id -un; touch /workspace/.git/planted")).text.startswith("agent\n")
    assert sorted(path.name for path in data_dir.iterdir()) == before


async def test_two_trees_do_not_meet(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    one, two = (open_tree(backend, data_dir / name) for name in ("one", "two"))
    await one.run("echo x > /tmp/mine; echo x > /dev/shm/mine; echo x > ~/mine; echo x > mine")
    result = await two.run("ls /tmp/mine /dev/shm/mine ~/mine mine; pgrep -a sleep")
    assert result.text.count("No such file") == 4


METADATA = """
import asyncio, fcntl, socket, struct, subprocess, sys
from pathlib import Path
from tests.support.sandbox.local_tree import make_backend, open_tree

address, data = "169.254.169.254", Path(sys.argv[1])
with socket.socket() as own:
    named = struct.pack("16sHH4s8x", b"lo", socket.AF_INET, 0, socket.inet_aton(address))
    fcntl.ioctl(own, 0x8916, named)  # SIOCSIFADDR
    fcntl.ioctl(own, 0x8914, struct.pack("16sH14x", b"lo", 0x41))  # SIOCSIFFLAGS: up
attack = f"exec 3<>/dev/tcp/{address}/80"
with socket.create_server((address, 80)):
    print("control", subprocess.run(["bash", "-c", attack]).returncode)
    sandbox = open_tree(make_backend(data), data / "metadata")
    print("sandbox", asyncio.run(sandbox.run(attack)).exit_code)
"""


@pytest.mark.skipif(not AS_ROOT, reason="only root can give itself the address")
async def test_the_metadata_address_is_not_reached(data_dir: Path) -> None:
    """In a network namespace where something answers there."""
    asked = await asyncio.create_subprocess_exec(
        *("unshare", "-n", sys.executable, "-c", METADATA, str(data_dir)),
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert (await asked.communicate())[0] == b"control 0\nsandbox 1\n"


@pytest.mark.skipif(not AS_ROOT, reason="as root bubblewrap makes what the link leads to")
async def test_a_mount_point_where_commands_write_would_be_led_out(data_dir: Path) -> None:
    """Why there is none: older bubblewraps follow what a command planted."""
    tree = make_tree(data_dir / "tree", None) / "workspace"
    (data_dir / "mounted").mkdir()
    (tree / "sub").symlink_to(f"/oldroot{data_dir}")
    line = [
        "bwrap",
        "--unshare-user",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib64",
        "/lib64",
    ]
    line += ["--symlink", "usr/lib", "/lib", "--bind", str(tree), "/workspace"]
    line += ["--ro-bind", str(data_dir / "mounted"), "/workspace/sub/planted", "/usr/bin/true"]
    control = await asyncio.create_subprocess_exec(*line, stderr=subprocess.DEVNULL)
    await control.wait()
    if not (data_dir / "planted").exists():
        pytest.skip("this bubblewrap is fixed")
    backend = make_backend(data_dir)
    sandbox = backend.attach(Tree(data_dir / "tree", None, backend.uid_for_run("tree")))
    words = sandbox._line.after
    targets = [words[at + 2] for at, word in enumerate(words) if word in {"--bind", "--ro-bind"}]
    writable = ("/workspace/", "/home/agent/", "/tmp/")
    assert [target for target in targets if target.startswith(writable)] == []


ASK = "read -r answer; cat; echo went on"


async def test_nothing_is_waited_for_on_standard_input(sandbox: BubblewrapSandbox) -> None:
    result = await sandbox.run(ASK, timeout_s=10)
    assert (result.limit, result.text) == (None, "went on\n")


def test_outside_it_hangs_on_standard_input() -> None:
    reading, writing = os.pipe()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["/bin/bash", "-c", ASK], stdin=reading, timeout=0.3, check=False)
    os.close(reading)
    os.close(writing)
