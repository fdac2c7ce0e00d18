"""A disk that fills up under a run: one code, a hint, and nothing half written that stays."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.standins.github import TOKEN
from tests.standins.github_server.server import ForgeServer
from tests.support.small_disk import on_a_small_disk
from tests.support.trusted_side import git, make_repository

pytestmark = pytest.mark.slow

_CLONE = """
import asyncio, sys
from pathlib import Path
from pydantic import SecretStr
from forge.github.client import GitHub
from forge.base.service import GitRepositories
from graph.errors import StoreFull
from sandbox.tree.run_folder import make_run_folder

async def main(runs, api_url, url, token):
    make_run_folder(runs, "r1")
    github = GitHub(api_url=api_url, token=SecretStr(token))
    repositories = GitRepositories(
        runs=runs, forge=github, allow_local=False, allowed=lambda _: True,
    )
    try:
        await repositories.prepare("r1", url, None, lambda _: None)
    except StoreFull as error:
        left = [path.name for path in (runs / "r1").iterdir() if "base" in path.name]
        print(error.code, bool(error.hint), left)
    await github.close()

asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
"""
_RUN = """
import asyncio, sys
from dataclasses import dataclass
from pathlib import Path
from graph.tasks import ChangeResult
from graph.spending import Spend
from graph.files.run_folder import RunFolder
from graph.files import store_change
from tests.standins.services.run_service import ME, House, log_of, started
from tests.support.small_disk import fill

@dataclass
class Coder:
    runs: Path
    calls: int = 0

    async def __call__(self, task, emit):
        self.calls += 1
        filler = self.runs / "filler"
        (self.runs / task.run_id / "changes").mkdir(parents=True, exist_ok=True)
        try:
            if self.calls == 1:
                fill(filler)
            run = RunFolder.of(self.runs, task.run_id)
            ref = store_change(run, task.step, "coder", b"x" * 99999)
        finally:
            filler.unlink(missing_ok=True)
        return ChangeResult(change=ref, title="t", summary="s", spend=Spend())

async def main(folder):
    house = House(folder)
    house.roles = {"coder": Coder(folder / "runs")}
    async with house.open() as service:
        run_id = await started(service)
        end = (await log_of(service, run_id))[-1].data
        left = [path.name for path in (folder / "runs" / run_id / "changes").iterdir()]
        print(end["status"], end["error"]["code"], bool(end["error"]["hint"]), left)
        await service.resume(run_id, ME)
        print((await log_of(service, run_id))[-1].data["status"])

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A repository of more than three MiB that do not compress."""
    source = make_repository(tmp_path / "source")
    (source / "large.bin").write_bytes(os.urandom(3 << 20))
    git(source, "add", "-A")
    git(source, "commit", "-qm", "Grow")
    return source


@pytest.mark.sandbox
async def test_while_git_clones(tmp_path: Path, large: Path) -> None:
    async with ForgeServer(token=TOKEN) as forge:
        await forge.add_repository("o/r", large)
        words = (forge.api_url, f"{forge.address}/o/r", TOKEN)
        said = await asyncio.to_thread(on_a_small_disk, tmp_path / "disk", 2048, _CLONE, *words)
    assert said == "store_full True []\n"


@pytest.mark.sandbox
def test_while_a_role_hands_its_change_over(tmp_path: Path) -> None:
    said = on_a_small_disk(tmp_path / "disk", 4096, _RUN)
    assert said.splitlines() == ["failed store_full True []", "succeeded"]


_REPLY = """
import asyncio, sys
from pathlib import Path
from graph import Usage
from roles.transcript.transcript import AssistantMessage, Transcript, UserMessage, load_messages
from roles.worktree.write_fence import FileWriteFence
from tests.support.small_disk import fill

async def main(folder):
    transcript = Transcript(folder / "t", FileWriteFence(folder, 1))
    await transcript.append(UserMessage(purpose="opening", content=[]))
    await transcript.begin_attempt(Usage())
    fill(folder / "filler")
    said = [{"type": "text", "text": "x" * 99999}]
    reply = AssistantMessage(
        attempt=1, stop_reason="end_turn", usage=Usage(), model="m", content=said
    )
    keeping = asyncio.create_task(transcript.append(reply))
    await asyncio.sleep(1.0)
    print(keeping.done(), len(load_messages(folder / "t")))
    (folder / "filler").unlink()
    await asyncio.wait_for(keeping, 30)
    print(load_messages(folder / "t")[1].content == said, list((folder / "t").glob(".*")))

asyncio.run(main(Path(sys.argv[1])))
"""
_MESSAGE = """
import asyncio, sys
from pathlib import Path
from graph.errors import StoreFull
from runs.driving.run_files import LocalRunFiles
from tests.support.small_disk import fill

async def main(folder):
    files = LocalRunFiles(folder)
    (folder / "r1" / "messages").mkdir(parents=True)
    fill(folder / "filler")
    try:
        await files.write_message("r1", 1, "x" * 9999)
    except StoreFull as error:
        print(error.code, list((folder / "r1" / "messages").iterdir()))

asyncio.run(main(Path(sys.argv[1])))
"""
_COPY = """
import asyncio, os, shutil, sys, tempfile
from pathlib import Path
from langgraph.checkpoint.base import empty_checkpoint
from runs.checkpoints import CopiedCheckpoints
from runs.checkpoints.run_saver import LogBarrier
from runs.shared.volume_mount import VolumeMount

CONFIG = {"configurable": {"thread_id": "r1", "checkpoint_ns": ""}}

class Volume:
    class commit:
        async def aio():
            return None
    reload = commit

def checkpoint(size):
    return {**empty_checkpoint(), "channel_values": {"a": os.urandom(size)}}

async def main(small, large, tight):
    mount = VolumeMount(Volume, small if tight == "mount" else large)
    copies = CopiedCheckpoints(mount, (small if tight == "own" else large) / "own", "me")
    async with copies.open("r1", LogBarrier()) as saver:
        await saver.aput(CONFIG, checkpoint(1 << 20), {"step": 1}, {})
        filler = small / "filler"
        filler.write_bytes(bytes(max(shutil.disk_usage(small).free - 600_000, 0)))
        putting = asyncio.create_task(saver.aput(CONFIG, checkpoint(9), {"step": 2}, {}))
        await asyncio.sleep(1.5)
        print(putting.done())
        filler.unlink()
        await asyncio.wait_for(putting, 30)
    async with copies.open("r1", LogBarrier()) as saver:
        found = await saver.aget_tuple(CONFIG)
        print(found.metadata["step"], sorted(p.suffix for p in (large / "own").glob("*-copy")))

with tempfile.TemporaryDirectory() as large:
    asyncio.run(main(Path(sys.argv[1]), Path(large), sys.argv[2]))
"""


@pytest.mark.sandbox
def test_a_reply_that_was_received_waits_for_room(tmp_path: Path) -> None:
    """It is paid: without it the role would ask again."""
    said = on_a_small_disk(tmp_path / "disk", 4096, _REPLY)
    assert said.splitlines() == ["False 1", "True []"]


@pytest.mark.sandbox
def test_while_a_message_to_a_run_is_kept(tmp_path: Path) -> None:
    assert on_a_small_disk(tmp_path / "disk", 1024, _MESSAGE) == "store_full []\n"


@pytest.mark.sandbox
@pytest.mark.parametrize("tight", ["own", "mount"])
def test_while_checkpoints_are_copied(tmp_path: Path, tight: str) -> None:
    said = on_a_small_disk(tmp_path / "disk", 8192, _COPY, tight)
    assert said.splitlines() == ["False", "2 []"]
