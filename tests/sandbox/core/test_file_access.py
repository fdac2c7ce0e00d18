"""Files read and written through a sandbox, whatever lies at the path."""

import asyncio
import os
from pathlib import Path

import pytest

from sandbox.backends.bubblewrap.sandbox import BubblewrapSandbox
from sandbox.core.protocol import FileAccessError, Limits
from tests.support.sandbox.local_tree import make_backend, open_tree

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("path", ["a", "a b/ü/ c'\"$x\n.bin", "/tmp/x", "-n", "--", "~", "$HOME"])
async def test_bytes_come_back_as_they_went(sandbox: BubblewrapSandbox, path: str) -> None:
    data = bytes(range(256)) * 40
    await sandbox.write(path, data)
    assert await sandbox.read(path) == data


async def test_an_empty_file_and_a_shorter_one(sandbox: BubblewrapSandbox) -> None:
    await sandbox.write("a", b"long")
    await sandbox.write("a", b"")
    assert await sandbox.read("a") == b""


async def test_a_name_that_is_no_utf8(sandbox: BubblewrapSandbox) -> None:
    await sandbox.run(r"printf x > $'caf\xe9'")
    assert await sandbox.read(os.fsdecode(b"caf\xe9")) == b"x"


async def test_a_file_keeps_its_mode_and_its_link(sandbox: BubblewrapSandbox) -> None:
    await sandbox.run("echo x > real; chmod 755 real; ln -s real link")
    await sandbox.write("link", b"new")
    result = await sandbox.run("stat -c %a real; cat real; readlink link")
    assert result.text == "755\nnewreal\n"


async def test_a_link_leads_only_to_more_sandbox(sandbox: BubblewrapSandbox) -> None:
    await sandbox.run("ln -s /etc/passwd passwd; ln -s /etc/shadow shadow")
    assert b"agent" in await sandbox.read("passwd")
    with pytest.raises(FileAccessError, match="no such file"):
        await sandbox.read("shadow")
    with pytest.raises(FileAccessError):
        await sandbox.write("passwd", b"root::0:0::/:/bin/sh")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("true", "no such file"),
        ("mkdir x", "folder"),
        ("mkfifo x", "not a regular file"),
        ("ln -s /dev/zero x", "not a regular file"),
        ("ln -s x x", "no such file"),
        ("ln -s nowhere x", "no such file"),
        ("ln -s /proc/1/mem x", "Input/output error|permission denied"),
        ("echo x > x; chmod 0 x", "permission denied"),
        ("truncate -s 8G x || truncate -s 32M x", "larger than"),
        ("mkfifo f; ln -s f x", "not a regular file"),
        ("perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local=>q(x), Listen=>1)'", "regular"),
    ],
)
async def test_what_cannot_be_read_is_refused_at_once(
    sandbox: BubblewrapSandbox, made: str, reason: str
) -> None:
    await sandbox.run(made)
    with pytest.raises(FileAccessError, match=reason):
        await sandbox.read("x")


@pytest.mark.parametrize(
    ("made", "path", "reason"),
    [
        ("mkdir x", "x", "folder"),
        ("mkfifo x", "x", "not a regular file"),
        ("ln -s /dev/full x", "x", "not a regular file"),
        ("echo x > x; chmod 444 x", "x", "permission denied"),
        ("touch x", "x/y", "folder cannot be made"),
        ("true", "/usr/x", "."),
        ("true", "/nowhere/x", "folder cannot be made"),
        ("ln -s x x", "x", "."),
    ],
)
async def test_what_cannot_be_written_is_refused_at_once(
    sandbox: BubblewrapSandbox, made: str, path: str, reason: str
) -> None:
    await sandbox.run(made)
    with pytest.raises(FileAccessError, match=reason):
        await sandbox.write(path, b"data")


SWAPS = """\
mkfifo fifo; mkdir folder; echo data > file
perl -e 'until (-e "stop") {
    for (qw(file fifo file fifo file fifo file folder file /dev/zero file x)) {
        symlink($_, "next"); rename("next", "x");
    }
}'
"""


async def test_what_changes_under_the_tool_is_bytes_or_refused_at_once(
    sandbox: BubblewrapSandbox,
) -> None:
    swapping = asyncio.create_task(sandbox.run(SWAPS))
    ended = []
    for turn in range(30):
        try:
            if turn % 2:
                await sandbox.write("x", b"written")
            else:
                assert len(await sandbox.read("x", max_bytes=1000)) <= 1000
            ended.append("done")
        except FileAccessError as error:
            ended.append(str(error))
    await sandbox.write("stop", b"")
    assert (await swapping).exit_code == 0
    assert len(set(ended)) > 1, ended  # something was caught in between


@pytest.mark.parametrize("path", ["", "a\0b", "a/", "\ud800", "a" * 5000, "a" * 300])
async def test_what_is_no_path_is_refused(sandbox: BubblewrapSandbox, path: str) -> None:
    with pytest.raises(FileAccessError):
        await sandbox.read(path)
    with pytest.raises(FileAccessError):
        await sandbox.write(path, b"")


async def test_the_size_is_the_limit_to_the_byte(sandbox: BubblewrapSandbox) -> None:
    await sandbox.write("a", b"x" * 1001)
    assert len(await sandbox.read("a", max_bytes=1001)) == 1001
    with pytest.raises(FileAccessError, match="larger than 1000 bytes"):
        await sandbox.read("a", max_bytes=1000)


async def test_files_larger_than_the_output_of_a_command(sandbox: BubblewrapSandbox) -> None:
    data = os.urandom(6 << 20)
    await sandbox.write("a", data)
    assert await sandbox.read("a", max_bytes=8 << 20) == data


async def test_a_full_tree_is_told(own_disk: Path) -> None:
    sandbox = open_tree(make_backend(own_disk, Limits(disk_mb=16)), own_disk / "tree")
    await sandbox.run("head -c 15M /dev/zero > big")
    with pytest.raises(FileAccessError, match="disk limit"):
        await sandbox.write("more", b"x" * (80 << 20))
    await sandbox.run("rm big more")
    await sandbox.write("more", b"x")
