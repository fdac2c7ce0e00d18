"""Sandboxes on the plane, by the real client: commands, files, names, limits, snapshots, loss."""

import asyncio
import hashlib
from typing import Any

import modal
import modal.exception
import pytest

from tests.modal_plane import Plane

pytestmark = pytest.mark.slow
MEGABYTE = 1 << 20


async def open_sandbox(*command: str, **options: Any) -> modal.Sandbox:
    app = await modal.App.lookup.aio("sample", create_if_missing=True)
    options.setdefault("image", modal.Image.debian_slim(python_version="3.11"))
    options.setdefault("timeout", 60)
    return await modal.Sandbox.create.aio(*command, app=app, **options)


async def output(sandbox: modal.Sandbox, *command: str) -> str:
    process = await sandbox.exec.aio(*command)
    text = await process.stdout.read.aio()
    assert await process.wait.aio() == 0, await process.stderr.read.aio()
    return text


async def test_commands_run_as_on_modal(modal_plane: Plane) -> None:
    sandbox = await open_sandbox(workdir="/repo", block_network=True, env={"COLOUR": "blue"})
    told = await output(sandbox, "sh", "-c", "id -u; pwd; echo $COLOUR; ls /sys/class/net")
    assert told.split()[:3] == ["0", "/repo", "blue"]
    failing = await sandbox.exec.aio("sh", "-c", "echo out; echo err >&2; exit 3")
    assert await failing.stdout.read.aio() == "out\n"
    assert await failing.stderr.read.aio() == "err\n"
    assert await failing.wait.aio() == 3
    late = await sandbox.exec.aio("sleep", "30", timeout=1)
    assert await late.wait.aio() == -1
    elsewhere = await sandbox.exec.aio("pwd", workdir="/tmp")
    assert await elsewhere.stdout.read.aio() == "/tmp\n"
    (known,) = modal_plane.sandboxes.running()
    assert known.blocked
    await sandbox.terminate.aio()
    assert await sandbox.poll.aio() == 137


async def test_much_goes_in_and_comes_out(modal_plane: Plane) -> None:
    sandbox = await open_sandbox()
    sent = bytes(range(256)) * (20 * MEGABYTE // 256)
    process = await sandbox.exec.aio("sha256sum", text=False)
    for start in range(0, len(sent), MEGABYTE):
        process.stdin.write(sent[start : start + MEGABYTE])
        await process.stdin.drain.aio()
    process.stdin.write_eof()
    await process.stdin.drain.aio()
    digest = (await process.stdout.read.aio()).split()[0].decode()
    assert digest == hashlib.sha256(sent).hexdigest()
    process = await sandbox.exec.aio("head", "-c", str(10 * MEGABYTE), "/dev/zero", text=False)
    assert len(await process.stdout.read.aio()) == 10 * MEGABYTE
    with pytest.raises(modal.exception.InvalidError, match="65536 bytes"):
        await sandbox.exec.aio("echo", "x" * (1 << 16))


async def test_files_are_read_and_written(modal_plane: Plane) -> None:
    sandbox = await open_sandbox()
    await sandbox.filesystem.write_text.aio("hello", "/repo/a/hello.txt")
    await sandbox.filesystem.write_bytes.aio(b"\0\1", "/repo/bytes")
    assert await sandbox.filesystem.read_text.aio("/repo/a/hello.txt") == "hello"
    assert await sandbox.filesystem.read_bytes.aio("/repo/bytes") == b"\0\1"
    assert [e.name for e in await sandbox.filesystem.list_files.aio("/repo")] == ["a", "bytes"]
    assert (await sandbox.filesystem.stat.aio("/repo/a")).is_dir()
    await sandbox.filesystem.make_directory.aio("/repo/b/c")
    await sandbox.filesystem.remove.aio("/repo/a", recursive=True)
    with pytest.raises(modal.exception.SandboxFilesystemNotFoundError):
        await sandbox.filesystem.read_text.aio("/repo/a/hello.txt")


async def test_a_snapshot_begins_another_sandbox(modal_plane: Plane) -> None:
    first = await open_sandbox(workdir="/repo")
    await output(
        first, "sh", "-c", "echo warm > state; mkdir -p /root/.cache; touch /root/.cache/x"
    )
    image = await first.snapshot_filesystem.aio()
    await output(first, "rm", "state")
    second = await open_sandbox(image=image, workdir="/repo")
    assert await output(second, "cat", "state") == "warm\n"
    await output(first, "mkfifo", "/repo/fifo")
    again = await first.snapshot_filesystem.aio()
    modal_plane.images.forget(again.object_id)
    with pytest.raises(modal.exception.NotFoundError):
        await open_sandbox(image=modal.Image.from_id(again.object_id))
    third = await open_sandbox(image=modal.Image.from_id(image.object_id))
    assert await output(third, "ls", "/root/.cache") == "x\n"


async def test_a_name_is_held_by_one_running_sandbox(modal_plane: Plane) -> None:
    first = await open_sandbox(name="live", tags={"run": "1"})
    with pytest.raises(modal.exception.AlreadyExistsError):
        await open_sandbox(name="live")
    found = await modal.Sandbox.from_name.aio("sample", "live")
    assert found.object_id == first.object_id
    await found.set_tags.aio({"run": "2"})
    app = await modal.App.lookup.aio("sample")
    listed = [
        s.object_id async for s in modal.Sandbox.list.aio(app_id=app.app_id, tags={"run": "2"})
    ]
    assert listed == [first.object_id]
    await first.terminate.aio()
    with pytest.raises(modal.exception.NotFoundError):
        await modal.Sandbox.from_name.aio("sample", "live")
    second = await open_sandbox(name="live")
    assert second.object_id != first.object_id


async def test_a_sandbox_ends_by_itself(modal_plane: Plane) -> None:
    idle = await open_sandbox(idle_timeout=1)
    used = asyncio.create_task(output(idle, "sleep", "1.5"))
    ended = await open_sandbox("sh", "-c", "exit 4")
    late = await open_sandbox(timeout=1)
    await ended.wait.aio()
    assert ended.returncode == 4
    with pytest.raises(modal.exception.SandboxTimeoutError):
        await late.wait.aio()
    await used
    await idle.wait.aio(raise_on_termination=False)
    assert idle.returncode == 137


async def test_a_lost_sandbox_answers_nothing(modal_plane: Plane) -> None:
    sandbox = await open_sandbox(name="live")
    process = await sandbox.exec.aio("sleep", "30")
    waiting = asyncio.create_task(process.wait.aio())
    await modal_plane.sandboxes.lose("live")
    with pytest.raises(modal.exception.NotFoundError):
        await waiting
    with pytest.raises((modal.exception.NotFoundError, modal.exception.ConflictError)):
        await sandbox.exec.aio("true")
    assert await sandbox.poll.aio() == 137


async def test_what_was_asked_for_can_be_looked_at(modal_plane: Plane) -> None:
    modal_plane.secrets.add("some-key", {"KEY": "x"})
    modal_plane.sandboxes.most = 1
    await open_sandbox(
        name="live",
        outbound_domain_allowlist=["index.example"],
        secrets=[modal.Secret.from_name("some-key")],
        cpu=(1, 4),
        memory=(1024, 4096),
    )
    known = modal_plane.sandboxes.named("live")
    assert known.allowed_domains == ["index.example"]
    assert not known.definition.include_oidc_identity_token
    assert known.definition.resources.memory_mb_max == 4096
    assert known.env["KEY"] == "x"
    with pytest.raises(modal.exception.ResourceExhaustedError):
        await open_sandbox()


async def test_a_volume_in_a_sandbox_is_committed_by_sync(modal_plane: Plane) -> None:
    files = modal.Volume.from_name("files", create_if_missing=True, version=2)
    sandbox = await open_sandbox(volumes={"/files": files})
    await output(sandbox, "sh", "-c", "echo one > /files/a.txt")
    assert await files.listdir.aio("/") == []
    await output(sandbox, "sync", "/files")
    assert [entry.path for entry in await files.listdir.aio("/")] == ["a.txt"]
    part = files.with_mount_options(sub_path="part", read_only=True)
    other = await open_sandbox(volumes={"/part": part})
    assert await output(other, "ls", "/part") == ""
    refused = await other.exec.aio("touch", "/part/x")
    assert "Read-only" in await refused.stderr.read.aio()
