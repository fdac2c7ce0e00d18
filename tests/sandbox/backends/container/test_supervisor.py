"""The program that runs a command inside a container, in containers that are really there."""

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.backends.container.wire import USER
from tests.sandbox.backends.container.local_container import Container, Ended, feed
from tests.support.sandbox.local_tree import AS_ROOT

pytestmark = pytest.mark.sandbox
as_root = pytest.mark.skipif(not AS_ROOT, reason="needs root: a container has other users")

DAEMONS = "setsid nohup sleep 71 >/dev/null 2>&1 & (setsid setsid sleep 72 &) ; (sleep 73 &) ; "
GIVEN = ("/workspace", "/home/agent")


@pytest.fixture
def container(data_dir: Path) -> Container:
    return Container(data_dir)


def run(container: Container, command: str, given: bytes = b"", **how: bool) -> Ended:
    request = replace(container.request(command), chown_dirs=GIVEN, input_bytes=len(given))
    return container.run(request, given, **how)


HIDDEN = 'for n in 5 6 7; do eval "exec $n> f; head -c 20M /dev/zero >&$n; rm f"; done;'
"""Files that have no name any more, and are held open."""


@pytest.mark.parametrize(
    ("command", "code", "limit"),
    [
        ("exit 42", 42, None),
        ("kill -9 $$", 137, None),
        ("nowhere", 127, None),
        ("yes", None, "output"),
        ("x=$(head -c 200M /dev/zero | tr '\\0' x); sleep 60", None, "memory"),
        ("for i in 1 2 3; do head -c 20M /dev/zero > $i; done; sleep 9", None, "disk"),
        ("head -c 40M /dev/zero > one", 153, None),
        (f"{HIDDEN} sleep 9", None, "disk"),
    ],
)
def test_a_command_ends_by_itself_or_at_a_limit(
    container: Container, command: str, code: int | None, limit: str | None
) -> None:
    ended = run(container, command)
    assert (ended.answer["exit_code"], ended.answer["limit"]) == (code, limit), ended
    assert ended.left == ""


@pytest.mark.parametrize(
    "command", [":(){ :|:& };: ; sleep 3", "for i in $(seq 60); do sleep 60 & done; wait"]
)
def test_too_many_processes_come_to_an_end(container: Container, command: str) -> None:
    """Ended by who counts them, or refused by the kernel, which counts those of a user."""
    ended = run(container, command)
    assert ended.answer["limit"] == "pids" or b"fork" in ended.output, ended
    assert ended.left == ""


def test_time_ends_it(container: Container) -> None:
    request = replace(container.request(f"{DAEMONS} sleep 9"), chown_dirs=GIVEN, timeout_s=0.5)
    ended = container.run(request)
    assert (ended.answer["exit_code"], ended.answer["limit"]) == (None, "time")
    assert 500 <= int(str(ended.answer["duration_ms"])) < 5000
    assert ended.left == ""


def test_what_a_command_left_running_is_gone(container: Container) -> None:
    assert run(container, f"{DAEMONS} echo done").left == ""


def test_without_a_supervisor_it_is_left(container: Container) -> None:
    process = container.start("bash", "-c", f"{DAEMONS} sleep 0.5")
    assert {"71", "72", "73"} <= set(container.ended(process).left.split())


@as_root
def test_without_subreapers_too_nothing_is_left(container: Container) -> None:
    ended = run(container, f"{DAEMONS} echo done", subreapers=False)
    assert (ended.output, ended.answer["exit_code"], ended.left) == (b"done\n", 0, "")


def test_it_reads_its_input_and_nothing_after_it(container: Container) -> None:
    data = bytes(range(256)) * 1000
    request = replace(container.request("cat; cat /dev/stdin | wc -c"), chown_dirs=GIVEN)
    ended = container.run(replace(request, input_bytes=len(data)), data + b"more")
    assert ended.output == data + b"256000\n"


def test_a_long_command_is_a_file(container: Container) -> None:
    script = b"x=" + b"a" * 300_000 + b"\necho ${#x}; cat"
    request = replace(container.request(""), program=("/bin/bash",), chown_dirs=GIVEN)
    request = replace(request, script_bytes=len(script), input_bytes=3)
    assert container.run(request, script + b"fed").output == b"300000\nfed"


def test_the_end_of_its_input_ends_everything(container: Container) -> None:
    request = replace(container.request(f"{DAEMONS} echo begun; sleep 9"), chown_dirs=GIVEN)
    process = container.start("/usr/bin/python3", *request.argv[1:])
    feed(process, request.stdin_preamble)
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == b"begun\n"
    process.stdin.close()
    ended = container.ended(process)
    assert (ended.answer["lost"], ended.left) == ("it was stopped", "")


def test_an_input_that_breaks_off_starts_nothing(container: Container) -> None:
    request = replace(container.request("touch /workspace/ran"), chown_dirs=GIVEN, input_bytes=9)
    process = container.start("/usr/bin/python3", *request.argv[1:])
    feed(process, request.stdin_preamble + b"five.")
    assert process.stdin
    process.stdin.close()
    assert container.ended(process).answer["lost"] == "its input broke off"
    assert not (container.folder / "workspace" / "ran").exists()


def test_what_cannot_be_started_is_told(container: Container) -> None:
    request = replace(container.request("true"), folder="/workspace")
    assert "/workspace" in str(container.run(request).answer["lost"])


def test_the_image_s_variables_are_there_and_modal_s_are_not(container: Container) -> None:
    told = dict(
        line.split("=", 1) for line in run(container, "env").output.decode().split("\n")[:-1]
    )
    assert told["TOOLS"] == "/opt/tools"
    assert told["HOME"] == "/home/agent"
    assert told["PATH"] == "/usr/bin:/bin:/home/agent/.local/bin"
    assert not [name for name in told if name.startswith("MODAL")]


@as_root
def test_a_command_has_neither_root_nor_a_way_to_the_supervisor(container: Container) -> None:
    attack = (
        "id -u; touch /etc/x /new; kill -9 $PPID; cat /proc/$PPID/environ > /dev/null; "
        "echo forged > /proc/$PPID/fd/2; grep CapEff /proc/self/status; unshare -U true; sleep 0.1"
    )
    ended = run(container, attack)
    told = ended.output.decode()
    assert told.splitlines()[0] == str(USER)
    assert told.count("Permission denied") + told.count("Read-only") == 4, told
    assert "Operation not permitted" in told
    assert "CapEff:\t0000000000000000" in told
    assert ended.answer["limit"] is None


@as_root
def test_where_root_cannot_become_another_commands_are_root(data_dir: Path) -> None:
    container = Container(data_dir, without="CAP_SETUID")
    ended = run(container, f"{DAEMONS} id -u")
    assert (ended.output, ended.answer["exit_code"], ended.left) == (b"0\n", 0, "")


@as_root
def test_what_root_was_given_is_read_only(container: Container) -> None:
    request = replace(
        container.request("mkdir /base.git && touch /base.git/a"), user=None, folder="/"
    )
    assert container.run(replace(request, chown_dirs=GIVEN)).answer["exit_code"] == 0
    for command, code in (
        ("touch /base.git/b || rm -f /base.git/a", 1),
        ("touch /workspace/b ~/c /tmp/d", 0),
    ):
        assert container.run(container.request(command)).answer["exit_code"] == code, command


@as_root
def test_a_sweep_ends_what_all_others_run(container: Container) -> None:
    request = replace(container.request("echo begun; sleep 9"), chown_dirs=GIVEN)
    sweep = replace(request, program=("/bin/true",), kill_others=True)
    both = (
        f"import subprocess as s, sys; a = s.Popen({['/usr/bin/python3', *request.argv[1:]]!r}, "
        f"stdin=s.PIPE, stdout=s.PIPE, stderr=s.PIPE); a.stdin.write({request.stdin_preamble!r}); "
        "a.stdin.flush(); a.stdout.readline(); "
        f"b = s.Popen({['/usr/bin/python3', *sweep.argv[1:]]!r}, stdin=s.PIPE, stderr=s.DEVNULL); "
        f"b.stdin.write({sweep.stdin_preamble!r}); b.stdin.flush(); b.wait(); "
        "sys.stderr.buffer.write(a.stderr.read())"
    )
    ended = container.ended(container.start("/usr/bin/python3", "-c", both))
    assert (ended.answer["exit_code"], ended.left) == (137, "")
