"""`serve` where it cannot: an error in words, the exit code of a failure, and no traceback."""

import asyncio
import ctypes
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command.command_process import COMMAND, NOTHING, Ended, command, environment

FAILED = 1
STRANGER = 12345


def said(ended: Ended, *words: str) -> None:
    """Check how a `serve` ended that could not serve."""
    assert (ended.code, ended.out) == (FAILED, "")
    assert ended.err.startswith("Error: ")
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def serve(home: Path, *words: str, env: Mapping[str, str] = NOTHING) -> Ended:
    async with asyncio.timeout(60):
        return await command("serve", *words, home=home, env=env)


async def test_on_a_taken_port(tmp_path: Path, taken: int) -> None:
    said(await serve(tmp_path, "--port", str(taken)), f"port {taken}", "--port")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
async def test_at_a_host_that_is_not_this_machine(tmp_path: Path, host: str) -> None:
    env = {"CODING_AGENT_API_KEYS": "me:" + "k" * 24, "CODING_AGENT_REPOS": "o/*"}
    said(await serve(tmp_path, "--host", host, env=env), host, "--host")


async def test_on_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    said(await serve(tmp_path), "data folder", "CODING_AGENT_DATA_DIR")


async def test_on_a_store_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "runs.db").write_bytes(b"this is no database" * 1000)
    said(await serve(tmp_path), "runs.db is damaged", "backup")


def _drop_rights_over_others() -> None:
    """Let root be held to the rights of files, as any user is."""
    libc = ctypes.CDLL(None, use_errno=True)
    for right in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
        libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
@pytest.mark.parametrize("name", ["data", "data/runs.db", "data/services"])
def test_on_a_data_folder_of_another_user(tmp_path: Path, name: str) -> None:
    """Also where its folder can be written, and what lies in it cannot."""
    for folder in ("data", "data/services"):
        (tmp_path / folder).mkdir(mode=0o700)
    (tmp_path / "data" / "runs.db").touch(mode=0o600)
    os.chown(tmp_path / name, STRANGER, STRANGER)
    done = subprocess.run(
        [*COMMAND, "serve", "--port", "1"],
        env=environment(tmp_path, {}),
        cwd="/",
        preexec_fn=_drop_rights_over_others,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    ended = Ended(done.returncode, done.stdout, done.stderr)
    word = {"data": "data folder", "data/runs.db": "runs.db", "data/services": "services"}[name]
    said(ended, word, "CODING_AGENT_DATA_DIR")
