"""The shell blocks of the documentation, run as they stand but for names of repositories and hosts.

Those of docs/recipes.md and the Python ones have tests of their own. A block that cannot be run
says why in its fence.
"""

import asyncio
import os
import re
import sqlite3
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.support.needed_programs import needs
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import GREETER, make_repository
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]

ROOT: Final = Path(__file__).parents[3]
FENCE: Final = re.compile(r"^```(sh|python)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RUN_ELSEWHERE: Final = {("docs/recipes.md", "sh"), ("docs/recipes.md", "python")} | {
    ("docs/python.md", "python")
}


def blocks_to_run() -> dict[tuple[str, str], list[str]]:
    """The blocks of each page and language that are not marked as untried."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))):
        page = str(path.relative_to(ROOT))
        for language, mark, code in FENCE.findall(path.read_text(encoding="utf-8")):
            assert re.fullmatch(r"| untried: .{5,}", mark), (page, mark)
            if not mark:
                found.setdefault((page, language), []).append(code)
    return found


TO_RUN: Final = {key: code for key, code in blocks_to_run().items() if key not in RUN_ELSEWHERE}
TRIED: Final = {
    f"docs/{name}.md" for name in ("environments", "github", "http", "operations", "python")
}


def block(page: str) -> str:
    (code,) = TO_RUN[page, "sh"]
    return code


async def run(world: World, code: str, env: Mapping[str, str] | None = None) -> str:
    """What a block prints; each of its commands ends well."""
    programs = Path(sys.executable).parent
    process = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-c", code),
        cwd=world.folder,
        env={
            **environment_of(world),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(world.folder),
            "LANG": "C.UTF-8",
            **(env or {}),
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_every_block_is_tried() -> None:
    assert set(TO_RUN) == {(page, "sh") for page in TRIED}


@needs("curl")
async def test_a_run_is_started_by_curl(world: World) -> None:
    repo = await world.host()
    world.cast.learn("Reject negative amounts in parse_amount", small_change())
    address = str(world.service.http.base_url).rstrip("/")
    code = block("docs/http.md").replace("https://github.com/OWNER/REPO", repo.url)
    out = await run(world, code.replace("http://127.0.0.1:8000", address))
    assert '"status":"succeeded"' in out


async def test_environments_are_tried(world: World) -> None:
    repo = await world.host()
    for name in ("a", "b"):
        make_repository(world.folder / "src" / name, GREETER)
    code = block("docs/environments.md").replace("OWNER/REPO", repo.url)
    out = await run(world, code, {"CODING_AGENT_SETUP_HOSTS": "none"})
    assert "unittest" in out
    assert (world.folder / "src/a/.coding-agent.toml").exists()
    assert not (world.folder / "src/b/.coding-agent.toml").exists()


@needs("ssh-keygen")
async def test_a_signing_key_is_made_and_held(world: World) -> None:
    (world.folder / ".config/coding-agent").mkdir(parents=True)
    out = await run(world, block("docs/github.md"), {"CODING_AGENT_SETUP_HOSTS": "none"})
    assert "signing" in out.lower()


@needs("sqlite3", "tar")
async def test_a_backup_holds_the_runs(world: World) -> None:
    done = await world.run("Greet and be kept.", await world.host(), small_change())
    backup = world.folder / "backup"
    backup.mkdir()
    await run(world, block("docs/operations.md"), {"BACKUP": str(backup)})
    with sqlite3.connect(backup / "runs.db") as kept:
        assert kept.execute("SELECT 1 FROM runs WHERE run_id = ?", (done.run_id,)).fetchone()
    kept.close()
    with tarfile.open(backup / "runs.tar") as files:
        names = files.getnames()
    assert f"runs/{done.run_id}/base.git/HEAD" in names
    assert not [name for name in names if "/trees" in name]


async def test_a_run_is_looked_at_from_a_terminal(world: World) -> None:
    done = await world.run("Greet and be watched.", await world.host(), small_change())
    out = await run(world, block("docs/python.md").replace("morning-1", done.run_id))
    assert done.run_id[-6:] in out
    assert "publish" in out
