"""The command on this machine's own data folder, and as its server."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from api.terminal.report.doctor_report import report
from tests.support.command.command_process import COMMAND, command, environment

pytestmark = pytest.mark.slow

_RUNNING = re.compile(rb"http://127\.0\.0\.1:(\d+)")

_ENDS_AND_IMPORTS = """
import json, sys
from api.cli.main import app
ends = []
for words in json.loads(sys.argv[1]):
    try:
        app(words)
    except SystemExit as end:
        ends.append(end.code)
print(json.dumps([ends, list(sys.modules)]))
"""


@dataclass
class Served:
    address: str
    process: asyncio.subprocess.Process


@asynccontextmanager
async def served(home: Path) -> AsyncIterator[Served]:
    """`coding-agent serve` on a free port."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        "serve",
        "--port",
        "0",
        stderr=asyncio.subprocess.PIPE,
        cwd=home,
        env=environment(home, {}),
    )
    assert process.stderr
    try:
        async with asyncio.timeout(60):
            while not (found := _RUNNING.search(await process.stderr.readline())):
                assert process.returncode is None
        yield Served(f"http://127.0.0.1:{int(found[1])}", process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def git(folder: Path, *words: str) -> str:
    line = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(folder), *words]
    return subprocess.run(line, capture_output=True, check=True, text=True).stdout


async def test_an_empty_data_folder_has_no_runs(tmp_path: Path) -> None:
    ended = await command("runs", home=tmp_path)
    assert (ended.code, ended.out, ended.err) == (0, "No runs.\n", "")


async def test_a_run_that_is_not_here_is_told(tmp_path: Path) -> None:
    ended = await command("show", "01k9zq4c8e7m2v5x3w1t6b0n9d", home=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith("Error: There is no run '01k9zq4c8e7m2v5x3w1t6b0n9d'.")


async def test_who_drives_nothing_imports_nothing_that_drives(tmp_path: Path) -> None:
    run = "01k9zq4c8e7m2v5x3w1t6b0n9d"
    words = [["runs"], ["message", run, "text"]]
    words += [[name, run] for name in ("show", "watch", "diff", "approve", "cancel", "rm")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _ENDS_AND_IMPORTS,
        json.dumps(words),
        stdout=asyncio.subprocess.PIPE,
        env=environment(tmp_path, {}),
    )
    out, _ = await process.communicate()
    ends, imported = json.loads(out.splitlines()[-1])
    assert ends == [0] + [1] * 7
    assert "runs.service" in imported
    heavy = "langgraph langsmith anthropic github git fastapi roles.base forge.publish.service"
    assert not set(heavy.split()) & set(imported)


async def test_a_data_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    ended = await command("runs", home=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith("Error: ")
    assert "Traceback" not in ended.err


@pytest.mark.sandbox
async def test_a_run_on_a_checkout_without_a_key_fails_and_changes_nothing(data_dir: Path) -> None:
    checkout = data_dir / "work" / "deep"
    checkout.mkdir(parents=True)
    git(checkout.parent, "init", "-q", "-b", "main")
    (checkout / "kept.txt").write_text("old\n")
    git(checkout.parent, "add", ".")
    git(checkout.parent, "commit", "-q", "-m", "x")
    (checkout / "kept.txt").write_text("uncommitted\n")
    ended = await command("run", "Change it", "--repo", str(checkout), home=data_dir)
    assert ended.code == 1
    assert f"Starts from HEAD of {checkout.parent}.\n" in ended.out
    assert "Uncommitted changes of the checkout are not included." in ended.out
    assert "[claude_unauthorized]" in ended.out
    assert "coding-agent resume" in ended.out
    assert git(checkout.parent, "status", "--short", "-b") == "## main\n M deep/kept.txt\n"


async def test_serve_answers_and_leaves_on_a_signal(tmp_path: Path) -> None:
    async with served(tmp_path) as here:
        ended = await command("runs", "--json", "--server", here.address, home=tmp_path)
        assert json.loads(ended.out) == {"runs": []}
        here.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            await here.process.wait()


async def test_serve_says_why_it_cannot_open_its_data_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "file" / "data", Path("/proc/data"), tmp_path / "odd"]
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "runs.db").write_bytes(b"no database" * 100)
    for place in places:
        env = {"CODING_AGENT_DATA_DIR": str(place)}
        ended = await command("serve", "--port", "0", home=tmp_path, env=env)
        assert ended.code == 1, place
        assert "Error: " in ended.err
        assert "Traceback" not in ended.err
        if place.name == "data":
            assert f"The data folder {place} cannot be used" in ended.err
            assert "CODING_AGENT_DATA_DIR" in ended.err


async def test_serve_says_that_its_host_is_not_of_this_machine(tmp_path: Path) -> None:
    env = {"CODING_AGENT_API_KEYS": f"me:{'k' * 24}", "CODING_AGENT_REPOS": "o/*"}
    for host in ("203.0.113.9", "name.invalid"):
        ended = await command("serve", "--host", host, home=tmp_path, env=env)
        assert ended.code == 1
        assert "Give --host a name or an address of this machine" in ended.err


async def test_serve_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = await command("serve", "--port", str(port), home=tmp_path)
    assert ended.code == 1
    assert f"Error: The server cannot listen on port {port} of 127.0.0.1" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
async def test_serve_lets_no_strangers_in_without_keys(host: str, tmp_path: Path) -> None:
    ended = await command("serve", "--host", host, home=tmp_path)
    assert ended.code == 2
    assert "CODING_AGENT_API_KEYS" in ended.err


@dataclass(frozen=True)
class Result:
    name: str
    held: bool
    detail: str
    fix: str = ""
    command: str = ""
    needed: bool = True


def test_the_doctors_report(capsys: pytest.CaptureFixture[str]) -> None:
    well = Result("git", held=True, detail="2.39.5", fix="not to be shown")
    ill = Result("sandbox", held=False, detail="bwrap \x1b[2Jmissing", fix="apt install\nbwrap")
    assert report([well, ill]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "✓ git      2.39.5",
        "✗ sandbox  bwrap missing",
        "           apt install",
        "           bwrap",
        "",
        "Runs need what is missing: sandbox.",
    ]
    token = replace(ill, name="GitHub", needed=False)
    assert report([well, ill, replace(ill, name="Claude"), token]) == 1
    end = capsys.readouterr().out.splitlines()[-1]
    assert end == "Runs need what is missing: sandbox, Claude. Optional: GitHub."
    assert report([well]) == 0
    assert "All is well." in capsys.readouterr().out
    assert report([well, token]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "! GitHub  bwrap missing",
        "          apt install",
        "          bwrap",
        "",
        "All that is needed holds. Optional: GitHub.",
    ]
    long = f"export HOSTS={','.join(f'host-{n}.example:443' for n in range(20))}"
    report([replace(well, command=long)])
    assert capsys.readouterr().out.splitlines()[-1] == long  # to be copied whole
