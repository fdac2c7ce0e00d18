"""The trial: it holds here and bites elsewhere, its verdict is kept, it says how to fix."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from graph.errors import SandboxUnavailable
from sandbox.backends.base.backend import BackendName, BackendOptions
from sandbox.backends.bubblewrap import remedies
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.remedies import PROFILE, bubblewrap_remedy
from sandbox.choose_backend import choose
from sandbox.core.protocol import ExecResult, Limits
from sandbox.host.orphans import process_name
from sandbox.selftest.modal import modal_probes
from sandbox.selftest.probes import (
    CANARY,
    MEMORY_BOMB,
    READY,
    Outside,
    fork_bomb,
    loop_script,
    probes,
)
from sandbox.selftest.trial import ensure_holds, judge, machine_state, outside, trial
from tests.support.sandbox.local_tree import AS_ROOT, make_backend, run_outside

NAMES = (
    *("environment", "processes", "file", "system", "devices", "sysctl", "namespace", "vsock"),
    *("loopback", "abstract", "network", "calls", "loop", "memory", "forks", "output"),
)
ONLY_ROOT = {"system", "sysctl", "namespace"}
NOT_EVERYWHERE = {"vsock": "/dev/vsock", "devices": "/dev/kmsg", "network": "/proc/net/route"}
sandboxed = pytest.mark.sandbox


@sandboxed
async def test_everything_holds_here(data_dir: Path, *, grouped: bool) -> None:
    results = await trial(make_backend(data_dir, grouped=grouped), loop_s=0.5)
    assert [result.name for result in results] == list(NAMES)
    assert [result for result in results if not result.held or result.fix] == []
    assert not list((data_dir / "state").glob("trial-*"))


@sandboxed
async def test_what_killed_trials_left_is_removed(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    machine, pid, started = process_name(os.getpid()).rsplit("-", 2)
    killed = backend.state / f"trial-01234567-{machine}-{2**22}-{started}"
    living = backend.state / f"trial-01234567-{machine}-{pid}-{started}"
    parts = [backend.state / name for name in (".verdict.json.0123", ".trial-4567")]
    for left in (killed, living):
        (left / "workspace").mkdir(parents=True)
    for part in parts:
        part.touch()
        os.utime(part, (0, 0))
    await ensure_holds(backend)
    assert list(backend.state.glob("trial-*")) == [living]
    assert not any(part.exists() for part in parts)


def test_without_the_sandbox_each_probe_gets_through(data_dir: Path) -> None:
    (data_dir / "outside").touch()
    started = process_name(os.getpid()).rpartition("-")[2]
    with outside(data_dir / "outside", started) as there:
        for probe in probes(there, calls=True):
            if probe.name in ONLY_ROOT and not AS_ROOT:
                continue
            if not is_there(NOT_EVERYWHERE.get(probe.name, "/")):
                continue
            done = run_outside(probe.script, data_dir, {CANARY: "here"})
            assert done.stdout == f"tried-{probe.name}\nthrough-{probe.name}\n"


def is_there(path: str) -> bool:
    """A list of routes has one line without any."""
    with_lines = path.endswith("route")
    return Path(path).exists() and not (with_lines and Path(path).read_text().count("\n") < 2)


def test_without_the_sandbox_memory_processes_and_signals_are_free(data_dir: Path) -> None:
    for name, bomb in {"memory": MEMORY_BOMB, "forks": fork_bomb()}.items():
        assert run_outside(bomb, data_dir).stdout == f"tried-{name}\nthrough-{name}\n"
    (data_dir / "loop.sh").write_text(loop_script("0.75"))
    done = run_outside("exec timeout -k 1 0.3 bash loop.sh", data_dir)
    assert (done.stdout, done.returncode) == ("tried-loop\n", -9)  # SIGTERM did not end it


def calls_tried(data: Path, machine: str) -> str:
    """What is said of a machine of this name, and the calls that perl was given."""
    scripts = {"uname": f"echo {machine}", "perl": f'echo "${{@:3}}" > {data}/given; exit 1'}
    path = programs(data, **scripts)
    (probe,) = (each for each in probes(Outside(data, 0, "", 0, ""), calls=True)[-1:])
    said = run_outside(f"PATH={path}:$PATH\n{probe.script}", data).stdout
    given = (data / "given").read_text() if (data / "given").exists() else ""
    assert judge("calls", "calling", ended(said.encode())).held == bool(given)
    return said + given


def test_calls_of_an_unknown_machine_are_not_tried(data_dir: Path) -> None:
    assert calls_tried(data_dir, "vax") == ""


@pytest.mark.parametrize("machine", ["aarch64", "arm64", "riscv64"])
def test_calls_are_tried_by_the_numbers_of_the_machine_that_commands_see(
    data_dir: Path, machine: str
) -> None:
    said, given = calls_tried(data_dir, machine).splitlines()
    assert said == "tried-calls"
    assert given.split() == [
        *("117,0,0,0,0", "280,-1,0,0", "219,0,-3,0", "282,-1", "425,0,0", "241,0,-1,-1,-1,0")
    ]


@pytest.mark.parametrize("name", ["namespace", "network", "names", "metadata", "modal"])
def test_an_attack_whose_program_is_missing_is_not_tried(data_dir: Path, name: str) -> None:
    every = (*modal_probes(), *probes(Outside(data_dir, 0, "", 0, ""), calls=False))
    (probe, *_) = (each for each in every if each.name == name)
    assert run_outside(f"PATH=/nowhere\n{probe.script}", data_dir).stdout == ""


NEEDED = ("git", "setsid", "xargs", "cat", "grep", "head", "tail", "touch", "wc")


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDED)
def test_without_a_program_of_the_attacks_nothing_is_tried(data_dir: Path, name: str) -> None:
    programs = data_dir / "programs"
    programs.mkdir()
    for program in (*NEEDED, "rm", "perl"):
        if program != name:
            (programs / program).symlink_to(str(shutil.which(program)))
    done = run_outside(f"PATH={programs}\n{READY}", data_dir)
    assert (done.stdout, done.returncode) == (f"there is no {name} in the sandbox\n", 1)


def ended(output: bytes) -> ExecResult:
    return ExecResult(exit_code=0, output=output, dropped=0, duration_ms=1)


def test_a_probe_that_did_not_try_has_not_held() -> None:
    assert not judge("file", "reading", ended(b"")).held
    assert not judge("file", "reading", ended(b"tried-other\n")).held
    assert not judge("file", "reading", ended(b"tried-file\nthrough-file\n")).held
    assert not judge("file", "reading", ended(b"tried-file\n"), held=False).held
    assert judge("file", "reading", ended(b"tried-file\n")).held


# --- the verdict


@sandboxed
async def test_a_verdict_is_kept(data_dir: Path) -> None:
    backend, verdict = make_backend(data_dir), data_dir / "state" / "verdict-bubblewrap.json"
    await ensure_holds(backend)
    kept = verdict.stat().st_mtime_ns
    children = os.times()[2:4]
    await ensure_holds(backend)
    assert os.times()[2:4] == children  # nothing was run
    assert verdict.stat().st_mtime_ns == kept
    assert verdict.stat().st_mode & 0o777 == 0o600


@sandboxed
@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"machine": 1, "at": "now"}',
        b'{"machine": "other", "at": %(now)d}',
        b'{"machine": "%(machine)s", "at": %(old)d}',
        b'{"machine": "%(machine)s", "at": %(future)d}',
    ],
)
async def test_a_verdict_that_does_not_fit_is_replaced(data_dir: Path, kept: bytes) -> None:
    backend = make_backend(data_dir)
    now, machine = time.time(), machine_state(backend).encode()
    words = {b"machine": machine, b"now": now, b"old": now - 86_500, b"future": now + 3600}
    verdict = backend.state / "verdict-bubblewrap.json"
    verdict.write_bytes(kept % words if b"%" in kept else kept)
    await ensure_holds(backend)
    replaced = json.loads(verdict.read_text())
    assert replaced["machine"] == machine.decode()
    assert 0 <= time.time() - replaced["at"] < 60


@sandboxed
def test_another_program_is_another_machine(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    assert machine_state(backend) == machine_state(make_backend(data_dir))
    if backend.groups:
        assert machine_state(backend) != machine_state(make_backend(data_dir, grouped=False))
    copy = data_dir / "bwrap"
    copy.write_bytes(Path(backend.bwrap).read_bytes())
    state = machine_state(backend)
    backend.bwrap = str(copy)
    assert machine_state(backend) != state


# --- machines where it does not hold, with programs that stand in for theirs


def programs(data: Path, **scripts: str) -> str:
    """A PATH with these programs; setpriv is the real one unless it is given."""
    folder = data / "programs"
    folder.mkdir()
    if AS_ROOT and "setpriv" not in scripts:
        (folder / "setpriv").symlink_to("/usr/bin/setpriv")
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/bash\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


async def refusal(data: Path, path: str) -> SandboxUnavailable:
    state = data / "state"
    with pytest.raises(SandboxUnavailable) as caught:  # noqa: PT012 - either may refuse
        backend = Bubblewrap(BackendOptions(limits=Limits(), state=state), programs=path)
        await ensure_holds(backend)
    assert not (state / "verdict-bubblewrap.json").exists()
    return caught.value


async def test_bubblewrap_is_missing(data_dir: Path) -> None:
    error = await refusal(data_dir, programs(data_dir))
    assert error.message == "bwrap is not installed"
    assert error.hint == "sudo apt-get install -y bubblewrap"


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
async def test_setpriv_is_missing(data_dir: Path) -> None:
    path = programs(data_dir, bwrap="exit 1")
    (data_dir / "programs" / "setpriv").unlink()
    error = await refusal(data_dir, path)
    assert error.hint == "sudo apt-get install -y util-linux"


@pytest.mark.parametrize(
    ("said", "fix"),
    [
        ("bwrap: Unknown option --disable-userns", "bubblewrap 0.8 or newer"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "--security-opt"),
        ("something else", "Do not run untrusted code here"),
    ],
)
async def test_bubblewrap_refuses(data_dir: Path, said: str, fix: str) -> None:
    error = await refusal(data_dir, programs(data_dir, bwrap=f'echo "{said}" >&2; exit 1'))
    assert said in error.message
    assert fix in error.hint


async def test_a_bubblewrap_that_isolates_nothing_is_found_out(data_dir: Path) -> None:
    """One that starts the command all the same, tells the right things and opens the gate."""
    script = """
status= gate=
while [ "$1" != -- ]; do
    case $1 in --json-status-fd) status=$2 ;; --block-fd) gate=$2 ;; esac
    [ "$1 $3" != "--bind /workspace" ] || cd "$2"
    shift
done
shift
echo '{ "child-pid": '$$' }' >&$status
dd bs=1 count=1 <&$gate 2>/dev/null >&2
"$@"
code=$?
echo '{ "exit-code": '$code' }' >&$status
exit $code
"""
    path = programs(data_dir, bwrap=script)
    error = await refusal(data_dir, path)
    for name in ("environment", "file", "namespace", "loopback"):
        assert f"{name}: " in error.message
    assert "was possible" in error.message
    assert error.hint == remedies.LEFT_OPEN


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
async def test_a_data_folder_behind_a_closed_one_is_refused(data_dir: Path) -> None:
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SandboxUnavailable) as caught:
        await choose(
            "bubblewrap", BackendOptions(limits=Limits(), state=closed / "data" / "sandbox")
        )
    assert str(closed) in caught.value.message
    assert f"chmod o+x {closed}" in caught.value.hint


# --- how to fix


def kernel(folder: Path, **switches: str) -> Path:
    for name, value in switches.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{value}\n")
    return folder


NO_USER_NAMESPACE = "bwrap: setting up uid map: Permission denied"


def test_ubuntus_apparmor_is_told_from_the_rest(tmp_path: Path) -> None:
    proc_sys = kernel(tmp_path, kernel__apparmor_restrict_unprivileged_userns="1")
    assert f"sudo install -m 644 {PROFILE} /etc/apparmor.d/" in bubblewrap_remedy(
        NO_USER_NAMESPACE, proc_sys
    )
    assert "apparmor_parser -r /etc/apparmor.d/coding-agent-bwrap" in bubblewrap_remedy(
        NO_USER_NAMESPACE, proc_sys
    )
    profile = PROFILE.read_text()
    assert "profile coding-agent-bwrap /usr/bin/bwrap" in profile
    assert "audit deny capability" in profile.partition("profile coding-agent-sandboxed")[2]
    kernel(tmp_path, kernel__apparmor_restrict_unprivileged_userns="0")
    assert "--security-opt" in bubblewrap_remedy(NO_USER_NAMESPACE, proc_sys)


@pytest.mark.parametrize(
    "said", [NO_USER_NAMESPACE, "bwrap: No permissions to creating new namespace"]
)
def test_switches_of_the_kernel_are_named(tmp_path: Path, said: str) -> None:
    off = kernel(tmp_path, kernel__unprivileged_userns_clone="0")
    assert "sysctl -w kernel.unprivileged_userns_clone=1" in bubblewrap_remedy(said, off)
    kernel(tmp_path, kernel__unprivileged_userns_clone="1", user__max_user_namespaces="0")
    assert "sysctl -w user.max_user_namespaces=15000" in bubblewrap_remedy(said, off)


def test_a_parent_that_cannot_be_read_is_named() -> None:
    said = "bwrap: Can't find source path /srv/x/workspace: Permission denied"
    assert "chmod o+rx" in bubblewrap_remedy(said)
    assert "/srv/x/workspace" in bubblewrap_remedy(said)


# --- the choice


@sandboxed
@pytest.mark.parametrize("name", ["auto", "bubblewrap"])
async def test_bubblewrap_is_chosen_once_tried(data_dir: Path, name: BackendName) -> None:
    limits = Limits(timeout_s=7)
    backend = await choose(name, BackendOptions(limits=limits, state=data_dir / "a" / "state"))
    assert backend.limits == limits
    assert (data_dir / "a" / "state" / "verdict-bubblewrap.json").exists()
    assert (data_dir / "a" / "state").stat().st_mode & 0o777 == 0o711
