"""What is bubblewrap's own: what a command finds in it. What all backends promise is elsewhere."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.errors import SandboxLost, SandboxUnavailable
from sandbox.backends.base.backend import BackendOptions, Tree
from sandbox.backends.bubblewrap.backend import Bubblewrap
from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.protocol import Limits
from sandbox.host.own_tools import reachable, uv_version
from tests.support.needed_programs import needs
from tests.support.sandbox.local_tree import AS_ROOT, make_backend, open_tree

pytestmark = pytest.mark.sandbox
ROOT = Path(__file__).parents[4]
as_root = pytest.mark.skipif(not AS_ROOT, reason="needs root")


async def said(sandbox: BubblewrapSandbox, command: str) -> str:
    result = await sandbox.run(command)
    assert result.exit_code == 0, result.text
    return result.text.strip()


async def test_a_command_runs_in_the_workspace_as_the_agent(sandbox: BubblewrapSandbox) -> None:
    assert await said(sandbox, "pwd; id -un; echo ~; hostname") == (
        "/workspace\nagent\n/home/agent\nsandbox"
    )


async def test_the_environment_holds_nothing_of_ours(sandbox: BubblewrapSandbox) -> None:
    names = {line.partition("=")[0] for line in (await said(sandbox, "env")).splitlines()}
    assert names <= {
        *("PATH", "HOME", "USER", "LANG", "TMPDIR", "PWD", "SHLVL", "_", "PYTHONDONTWRITEBYTECODE"),
        *("GIT_OPTIONAL_LOCKS", "GIT_TERMINAL_PROMPT"),
    }


async def test_no_descriptor_of_ours_is_inherited(sandbox: BubblewrapSandbox) -> None:
    result = await sandbox.run("ls /proc/self/fd", stdin=b"input")
    assert result.text.split() == ["0", "1", "2", "3"]  # 3 is the folder being listed


async def test_input_is_fed(sandbox: BubblewrapSandbox) -> None:
    data = os.urandom(300_000)
    result = await sandbox.run("cat; cat /dev/stdin | wc -c", stdin=data, keep_bytes=1 << 20)
    assert result.output == data + b"300000\n"


async def test_localhost_and_users_have_names(sandbox: BubblewrapSandbox) -> None:
    assert "127.0.0.1" in await said(sandbox, "getent ahosts localhost")
    assert (
        await said(sandbox, "getent passwd agent")
        == "agent:x:1000:1000:agent:/home/agent:/bin/bash"
    )


@pytest.mark.parametrize(
    ("table", "entry", "found"),
    [("protocols", "tcp", "6"), ("services", "http", "80/tcp"), ("services", "54321/tcp", None)],
)
async def test_protocols_and_services_have_the_machines_names(
    sandbox: BubblewrapSandbox, table: str, entry: str, found: str | None
) -> None:
    if not await asyncio.to_thread(Path("/etc", table).exists):
        pytest.skip(f"this machine has no /etc/{table}")
    result = await sandbox.run(f"getent {table} {entry}")
    assert (found in result.text.split()) if found else (result.exit_code != 0)


async def test_home_tmp_and_workspace_last_between_commands(sandbox: BubblewrapSandbox) -> None:
    await said(sandbox, "echo 1 > ~/a; echo 2 > /tmp/b; echo 3 > c; mkdir .git; echo 4 > .git/HEAD")
    assert await said(sandbox, "cat ~/a /tmp/b c .git/HEAD") == "1\n2\n3\n4"


async def test_nothing_else_can_be_written(sandbox: BubblewrapSandbox) -> None:
    for path in ("/new", "/etc/new", "/usr/new", "/dev/new", "/home/new", "/var", "/proc/sys/new"):
        assert (await sandbox.run(f"mkdir {path}")).exit_code == 1, path
    assert (await sandbox.run("echo x >> /etc/passwd")).exit_code == 1


@needs("mvn")
async def test_the_systems_maven_starts_without_its_settings(sandbox: BubblewrapSandbox) -> None:
    unseen = "! test -e /etc/maven/settings.xml"
    assert "Apache Maven" in await said(sandbox, f"mvn --version && {unseen}")


async def test_the_base_is_read_only_beside_the_tree(data_dir: Path) -> None:
    objects = data_dir / "base.git" / "objects"
    objects.mkdir(parents=True)
    (objects / "pack").write_text("packed")
    sandbox = open_tree(make_backend(data_dir), data_dir / "tree", objects)
    assert await said(sandbox, "cat /base.git/objects/pack") == "packed"
    assert (await sandbox.run("touch /base.git/objects/new")).exit_code == 1
    assert (await sandbox.run("ls /base.git")).output == b"objects\n"


async def test_close_while_a_command_starts(sandbox: BubblewrapSandbox) -> None:
    running = asyncio.create_task(sandbox.run("sleep 15"))
    await asyncio.sleep(0)
    await sandbox.close()
    with pytest.raises(SandboxLost):
        await running


# --- who runs it


def test_owners_are_uids_without_an_account(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    uids = {backend.uid_for_run(f"run-{n}") for n in range(100)}
    if AS_ROOT:
        assert len(uids) > 90
        assert all(uid and 30_000 <= uid < 60_000 for uid in uids)
        assert backend.uid_for_run("run-1") == backend.uid_for_run("run-1")
    else:
        assert uids == {None}


@as_root
def test_a_container_that_has_root_alone_is_told_apart() -> None:
    """To give a tree to a user that is not there would be an error of no name."""
    ask = "from sandbox.host.run_users import uid_for_run\nuid_for_run('a')"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", ask],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SandboxUnavailable: this container has no uid" in done.stderr


@as_root
@pytest.mark.parametrize("uid", [None, 0])
def test_root_never_runs_commands_as_root(data_dir: Path, uid: int | None) -> None:
    with pytest.raises(SandboxUnavailable, match="uid other than root"):
        make_backend(data_dir).attach(Tree(data_dir, None, uid))


@as_root
def test_a_folder_that_the_owner_cannot_pass_is_named(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    closed = data_dir / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SandboxUnavailable) as caught:
        open_tree(backend, closed / "tree")
    assert f"{closed} does not let uid" in caught.value.message
    assert f"chmod o+x {closed}" in caught.value.hint


@as_root
async def test_the_kernel_sees_the_owner(data_dir: Path, sandbox: BubblewrapSandbox) -> None:
    await said(sandbox, "touch made")
    info = (data_dir / "tree" / "workspace" / "made").stat()
    assert info.st_uid == info.st_gid == make_backend(data_dir).uid_for_run("tree")


async def test_a_tree_that_is_gone_is_told(data_dir: Path) -> None:
    backend = make_backend(data_dir)
    sandbox = open_tree(backend, data_dir / "tree")
    shutil.rmtree(data_dir / "tree" / "workspace")
    with pytest.raises(SandboxLost, match="workspace"):
        await sandbox.run("true")


# --- tools


@pytest.fixture
def tools() -> Iterator[Path]:
    """A folder of tools outside of what the sandbox has anyway."""
    folder = Path(tempfile.mkdtemp(prefix="tools-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "bin").mkdir()
    for name in ("hello", "bin/deep", "bin/ls"):
        (folder / name).write_text(f"#!/bin/sh\necho {name}\n")
        (folder / name).chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def with_tools(data: Path, *paths: Path) -> Bubblewrap:
    return Bubblewrap(BackendOptions(limits=Limits(), tool_paths=paths, state=data / "state"))


async def test_tools_are_there_and_come_first(data_dir: Path, tools: Path) -> None:
    sandbox = open_tree(with_tools(data_dir, tools), data_dir / "tree")
    assert await said(sandbox, "hello; deep; ls") == "hello\nbin/deep\nbin/ls"
    assert (await sandbox.run(f"touch {tools}/new")).exit_code == 1


async def test_uv_is_there_before_the_systems_own_programs(data_dir: Path) -> None:
    sandbox = open_tree(with_tools(data_dir), data_dir / "tree")
    assert await said(sandbox, "command -v uv") == "/own-tools/uv"
    assert (await said(sandbox, "uv --version")).startswith(f"uv {uv_version()}")
    assert (await sandbox.run("echo x >> /own-tools/uv")).exit_code == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's commands run as root's alone")
def test_a_program_that_the_sandboxs_user_cannot_get_to_is_copied(
    data_dir: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\n")
    program.chmod(0o755)
    tmp_path.chmod(0o700)
    copy = reachable(program, data_dir / "copy")
    assert copy == data_dir / "copy"
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (b"#!/bin/sh\n", 0o755)
    assert reachable(Path("/bin/bash"), data_dir / "other") == Path("/bin/bash")


@pytest.mark.parametrize(
    "secret", [".ssh", ".aws", ".netrc", ".git-credentials", ".config/gh", ".kube"]
)
def test_tools_beside_credentials_are_refused(data_dir: Path, tools: Path, secret: str) -> None:
    (tools / secret).mkdir(parents=True)
    with pytest.raises(SandboxUnavailable, match="credentials"):
        with_tools(data_dir, tools)


@pytest.mark.parametrize(
    "path", ["/", "/etc", "/etc/ssl", "/proc", "/root", "/home", "/tmp/x", "/workspace"]
)
def test_folders_that_hold_more_than_tools_are_refused(data_dir: Path, path: str) -> None:
    with pytest.raises(SandboxUnavailable):
        with_tools(data_dir, Path(path))


def test_a_link_to_a_folder_with_credentials_is_refused(data_dir: Path, tools: Path) -> None:
    (tools / "bin" / ".netrc").touch()
    link = tools.with_name(tools.name + "-link")
    link.symlink_to(tools / "bin")
    try:
        with pytest.raises(SandboxUnavailable, match="credentials"):
            with_tools(data_dir, link)
    finally:
        link.unlink()


@pytest.mark.parametrize("path", ["usr/bin", "/usr/../etc", "/usr/nowhere", "/etc/passwd"])
def test_what_is_no_absolute_folder_is_refused(data_dir: Path, path: str) -> None:
    with pytest.raises(SandboxUnavailable, match="absolute path of a folder"):
        with_tools(data_dir, Path(path))


def test_our_own_data_is_no_tool(data_dir: Path, tools: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="own data"):
        Bubblewrap(BackendOptions(limits=Limits(), tool_paths=(tools,), state=tools / "state"))
