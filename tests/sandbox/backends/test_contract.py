"""What every backend promises: the same tests for each, in trees of one run.

Without a daemon docker is a stand-in of its program.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from graph.environment import Environment, Service
from graph.errors import PatchUnusable, SandboxLost, SetupFailed, StoreDamaged
from graph.files import store_change
from graph.files.run_folder import RunFolder
from sandbox.core.protocol import FileAccessError, Limits, Sandbox, TreeSpec
from tests.support.sandbox.docker_backend import any_docker
from tests.support.sandbox.modal_trees import modal_run
from tests.support.sandbox.sample_run import RUN, SampleRun, sample_run

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

BACKENDS = ["bubblewrap", "docker", "modal"]
IN_TIERS = [BACKENDS[0], *(pytest.param(name, marks=pytest.mark.slow) for name in BACKENDS[1:])]
LIMITS = Limits(timeout_s=30, memory_mb=256, pids=64, disk_mb=64, output_bytes=1 << 20)
FILES = {"hello.txt": "hello\n", "src/app.py": "print('hello')\n", "run.sh": "echo\n"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=IN_TIERS)
async def run(request: pytest.FixtureRequest, module_dir: Path) -> AsyncIterator[SampleRun]:
    folder = module_dir / request.param
    folder.mkdir(mode=0o711)
    folder.chmod(0o711)
    backend = any_docker(folder, LIMITS) if request.param == "docker" else None
    sample = sample_run(folder, FILES, limits=LIMITS, backend=backend)
    if request.param != "modal":
        yield sample
        await sample.sandboxes.close_run(RUN)
        return
    async with modal_run(sample, LIMITS) as on_modal:
        yield on_modal.run


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(run: SampleRun) -> Sandbox:
    """One tree for all tests that leave nothing in it that others would mind."""
    return await run.open("shared")


async def said(sandbox: Sandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.text
    return result.text.strip()


# --- commands


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("exit 42", 42),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("./run.sh", 126),
        ("nowhere", 127),
    ],
)
async def test_the_exit_code_is_the_commands_own(sandbox: Sandbox, command: str, code: int) -> None:
    result = await sandbox.run(command)
    assert (result.exit_code, result.limit) == (code, None)


async def test_output_and_errors_come_in_one_stream_in_order(sandbox: Sandbox) -> None:
    result = await sandbox.run("echo one; echo two >&2; echo three > /dev/stderr; echo four")
    assert result.output == b"one\ntwo\nthree\nfour\n"
    assert (await sandbox.run("true\nnowhere")).text == "bash: line 2: nowhere: command not found\n"


async def test_both_ends_of_long_output_are_kept(sandbox: Sandbox) -> None:
    result = await sandbox.run("seq 100000", keep_bytes=20)
    assert result.output.startswith(b"1\n2\n")
    assert result.output.endswith(b"100000\n")
    assert result.dropped > 500_000


async def test_input_is_fed_and_without_it_there_is_none(sandbox: Sandbox) -> None:
    data = os.urandom(3_000_000)
    result = await sandbox.run("cat > ~/fed; tail -c 9 ~/fed; wc -c < ~/fed", stdin=data)
    assert result.output == data[-9:] + b"3000000\n"
    assert await said(sandbox, "cat | wc -c") == "0"


async def test_long_commands_run_and_those_that_no_shell_takes_fail(sandbox: Sandbox) -> None:
    result = await sandbox.run(f"x={'a' * 300_000}\necho ${{#x}}; cat", stdin=b"fed")
    assert result.text == "300000\nfed"
    for command in ("echo \0", "echo \ud800"):
        assert (await sandbox.run(command)).exit_code == 126


async def test_the_environment_holds_nothing_of_ours(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-ours")
    told = await said(sandbox, "env; cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert "HOME=/home/agent" in told
    assert "of-ours" not in told


async def test_several_run_at_once(sandbox: Sandbox) -> None:
    meet = "until [ $(ls met-* | wc -l) -ge 8 ]; do sleep 0.05; done"
    commands = (f"touch met-{n}; {meet}; echo {n}" for n in range(8))
    results = await asyncio.gather(*map(sandbox.run, commands))
    await sandbox.run("rm met-*")
    ends = [(result.text, result.exit_code, result.limit) for result in results]
    assert ends == [(f"{n}\n", 0, None) for n in range(8)]


async def test_there_is_no_way_to_this_machine(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach = f"exec 3<>/dev/tcp/127.0.0.1/{port}"
        outside = await asyncio.create_subprocess_exec("bash", "-c", reach)
        assert await outside.wait() == 0
        assert (await sandbox.run(reach)).exit_code == 1


async def test_a_service_runs_beside_a_command_and_ends_with_it(run: SampleRun) -> None:
    server = Service(name="web", command="python3 -m http.server 8000", port=8000)
    environment = Environment(services=(server,))
    tree = await run.sandboxes.open(RUN, TreeSpec("served", run.base, environment=environment))
    fetch = "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /hello.txt\\n\\n' >&3 && cat <&3"
    for _ in range(2):
        result = await tree.run(fetch, services="needed")
        assert (result.exit_code, result.text.strip()) == (0, "hello")
    assert (await tree.run(fetch)).exit_code == 1
    await run.sandboxes.discard(RUN, "served")


# --- ends


async def test_time_ends_a_command_and_all_that_it_started(sandbox: Sandbox) -> None:
    command = "(setsid sh -c 'sleep 3; touch ~/late' &); echo begun; sleep 20"
    result = await sandbox.run(command, timeout_s=2)
    assert (result.exit_code, result.limit, result.output) == (None, "time", b"begun\n")
    await asyncio.sleep(1.5)
    assert (await sandbox.run("test -e ~/late")).exit_code == 1


async def test_what_a_command_left_running_is_gone(sandbox: Sandbox) -> None:
    await said(sandbox, "(setsid nohup sh -c 'sleep 1; touch ~/later' >/dev/null 2>&1 &) ; echo")
    result = await sandbox.run("setsid sleep 15 & echo started")
    assert (result.text, result.duration_ms < 10_000) == ("started\n", True)
    await asyncio.sleep(1)
    assert (await sandbox.run("test -e ~/later")).exit_code == 1


async def test_who_no_longer_waits_ends_it(sandbox: Sandbox) -> None:
    running = asyncio.create_task(sandbox.run("sleep 3; touch ~/done"))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.sleep(3)
    assert (await sandbox.run("test -e ~/done")).exit_code == 1


@pytest.mark.parametrize(
    ("command", "limit"),
    [
        ("yes", "output"),
        ("cd ~; for i in 1 2 3 4; do head -c 40M /dev/zero > $i; done; sleep 9", "disk"),
        ("x=$(head -c 400M /dev/zero | tr '\\0' x); sleep 9", "memory"),
    ],
)
async def test_limits_end_a_command(sandbox: Sandbox, command: str, limit: str) -> None:
    result = await sandbox.run(command)
    assert (result.exit_code, result.limit) == (None, limit), result.text[-300:]
    assert len(result.output) <= 64 * 1024
    await said(sandbox, "rm -f ~/[0-9]")


async def test_close_ends_what_runs_and_what_comes(run: SampleRun) -> None:
    sandbox = await run.open("closed")
    running = [asyncio.create_task(sandbox.run("sleep 15")) for _ in range(3)]
    await asyncio.sleep(0.3)
    await sandbox.close()
    for task in running:
        with pytest.raises(SandboxLost, match="closed"):
            await task
    with pytest.raises(SandboxLost, match="closed"):
        await sandbox.run("true")
    again = await run.open("closed")
    assert await said(again, "cat hello.txt") == "hello"


# --- files


async def test_a_file_is_written_and_read_byte_for_byte(sandbox: Sandbox) -> None:
    data = bytes(range(256)) * 4096
    await sandbox.write("new/deep/file", data)
    assert await sandbox.read("new/deep/file", max_bytes=len(data)) == data
    await sandbox.write("new/deep/file", b"")
    assert await sandbox.read("new/deep/file") == b""
    await said(sandbox, "rm -r new")


@pytest.mark.parametrize("path", ["src", "missing", "", "a\0b", "big", "pipe"])
async def test_what_is_no_file_to_read_is_refused(sandbox: Sandbox, path: str) -> None:
    await said(sandbox, "head -c 3M /dev/zero > big; [ -p pipe ] || mkfifo pipe")
    with pytest.raises(FileAccessError):
        await sandbox.read(path)
    await said(sandbox, "rm -f big pipe")


# --- trees


async def test_a_new_tree_is_a_repository_at_the_base(run: SampleRun, sandbox: Sandbox) -> None:
    told = "git rev-parse HEAD; git branch --show-current; git status --porcelain; pwd"
    assert await said(sandbox, told) == f"{run.base.sha}\nwork\n/workspace"
    await said(sandbox, "echo more >> hello.txt && git stash -q && git stash drop -q")


async def test_a_change_comes_out_and_goes_in(run: SampleRun) -> None:
    edits = (
        "rm hello.txt; chmod +x run.sh; ln -s /etc/passwd link; printf '\\0\\1\\377' > bin; "
        "mkdir new; echo new > 'new/with space'; git add -A; git commit -qm Work; echo z >> bin"
    )
    change = await run.make_change(edits)
    other = await run.open("review-1", change)
    names = await said(other, "git diff HEAD --name-status --no-renames")
    assert names.split("\n") == [
        *("A\tbin", "D\thello.txt", "A\tlink"),
        *("A\tnew/with space", "M\trun.sh"),
    ]
    assert await run.take(other) == run.folder.patch(change).read_bytes()
    await run.sandboxes.discard(RUN, "review-1")


async def test_a_change_that_cannot_be_applied_leaves_no_tree(run: SampleRun) -> None:
    patch = b"--- a/gone.txt\n+++ b/gone.txt\n@@ -1 +1 @@\n-a\n+b\n"
    change = store_change(RunFolder.of(run.runs, RUN), 7, "coder", patch)
    with pytest.raises(PatchUnusable, match=r"gone\.txt"):
        await run.open("unmade", change)
    run.folder.patch(change).write_bytes(b"something else")
    with pytest.raises(StoreDamaged):
        await run.open("unmade", change)
    assert await said(await run.open("unmade"), "git status --porcelain") == ""


async def test_set_up_runs_once_and_what_it_makes_is_ignored(run: SampleRun) -> None:
    sandbox = await run.open("set-up", None, "echo twice >> count")
    assert await run.take(sandbox) == b""
    again = await run.open("set-up", None, "echo twice >> count")
    assert await said(again, "cat count; git status --porcelain") == "twice"
    with pytest.raises(SetupFailed, match="exit code 7"):
        await run.open("not-set-up", None, "echo the reason; exit 7")


async def test_a_tree_without_its_files_is_filled_when_they_are_asked_for(run: SampleRun) -> None:
    bare = await run.sandboxes.open(RUN, TreeSpec("bare", run.base, checkout=False))
    assert await said(bare, "ls; git show HEAD:hello.txt") == "hello"
    await bare.close()
    assert await said(await run.open("bare"), "cat hello.txt; git status --porcelain") == "hello"


async def test_trees_are_found_as_they_were_left_and_apart(run: SampleRun) -> None:
    first = await run.open("kept")
    await said(first, "echo kept | tee kept ~/mine /tmp/mine")
    await first.close()
    second = await run.open("kept")
    assert await said(second, "cat kept ~/mine /tmp/mine") == "kept\nkept\nkept"
    other = await run.open("apart")
    assert await said(other, "ls kept ~/mine /tmp/mine 2>/dev/null | wc -l") == "0"


async def test_a_discarded_tree_is_gone(run: SampleRun) -> None:
    sandbox = await run.open("brief")
    await said(sandbox, "touch left")
    await run.sandboxes.discard(RUN, "brief")
    await run.sandboxes.discard(RUN, "brief")
    with pytest.raises(SandboxLost):
        await sandbox.run("true")
    assert (await (await run.open("brief")).run("test -e left")).exit_code == 1
