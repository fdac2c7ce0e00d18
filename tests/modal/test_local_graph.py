"""The graph on this machine, untrusted code in Sandboxes of Modal."""

import json
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio

from tests.modal_plane import Plane
from tests.support.command.command_process import command
from tests.support.trusted_side import git
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.hosted_repository import GREETER, make_repository
from tests.support.whole_runs.server_process import environment_of
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300), pytest.mark.slow]
SIGN_IN: Final = "modal token new, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"


@pytest_asyncio.fixture
async def world() -> AsyncIterator[World]:
    async with World.open() as world:
        yield world


async def test_a_checkout_is_worked_on_here_and_its_commands_run_on_modal(
    modal_plane: Plane, world: World
) -> None:
    repo = make_repository(world.folder / "mine", GREETER)
    env = {**environment_of(world), **modal_plane.env, "CODING_AGENT_SANDBOX": "modal"}
    prompt = "Greet from Modal."
    world.cast.learn(prompt, small_change())
    words = ("run", prompt, "--repo", str(repo), "--json")
    ended = await command(*words, home=world.folder, env=env)
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.code == 0, ended.err + ended.out[-2000:]
    made = modal_plane.sandboxes.by_id.values()
    run_id = events[0]["runId"]
    trees = {one.name.removeprefix(f"{run_id}-").split("-")[0] for one in made}
    assert {"live", "validate", "review"} <= trees
    assert [one.name for one in made if one.result is None] == []
    told = git(repo, "show", f"{events[-1]['branch']}:greet.py").decode()
    assert "Good morning" in told
    held = [(*one.definition.secret_ids, *one.definition.volume_mounts) for one in made]
    assert set(held) == {()}


async def test_who_is_not_known_to_modal_is_told_how_to_sign_in(world: World) -> None:
    repo = make_repository(world.folder / "mine", GREETER)
    nobody = {"CODING_AGENT_SANDBOX": "modal", "MODAL_CONFIG_PATH": "/dev/null"}
    env = {**environment_of(world), **nobody, "MODAL_SERVER_URL": "http://127.0.0.1:9"}
    world.cast.learn("Greet.", small_change())
    words = ("run", "Greet.", "--repo", str(repo), "--json")
    ended = await command(*words, home=world.folder, env=env)
    assert ended.code == 1
    error = json.loads(ended.out.splitlines()[-1])["error"]
    assert (error["code"], SIGN_IN in error["hint"]) == ("sandbox_unavailable", True)
    doctor = await command("doctor", home=world.folder, env={**env, "COLUMNS": "300"})
    assert SIGN_IN in doctor.out + doctor.err
