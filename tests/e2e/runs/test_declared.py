"""What a repository declares of its environment, from the request to the pull request."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.whole_runs.claude_script import MORNING, approve, done, shell, small_change, told
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

FETCH = "python3 fetch.py"
SERVER = "python3 -m http.server 8000 --bind 127.0.0.1"
FETCHES = """\
import os, urllib.request
urllib.request.urlopen("http://127.0.0.1:8000/greet.py")
print(os.environ["GREETING"])
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with World.open() as world, world.serving():
        yield world


async def host(world: World, server: str) -> Hosted:
    declared = {
        "validate": ["python3 -m unittest discover", FETCH],
        "services": [{"command": server, "port": 8000}],
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in declared.items()]
    config = "\n".join([*lines, '[env]\nGREETING = "hello"\n']).replace('": ', '" = ')
    return await world.host({**GREETER, "fetch.py": FETCHES, ".coding-agent.toml": config})


async def test_roles_and_checks_have_the_services_and_variables_of_the_repository(
    world: World,
) -> None:
    repo = await host(world, SERVER)
    script = small_change(coder=[shell(f"{FETCH} && {MORNING}"), done()])
    run = await world.run("Greet beside a service.", repo, script)
    assert run.end["status"] == "succeeded"
    assert run.one("environment.ready")["services"] == [{"name": "port-8000", "port": 8000}]
    opening, tried = world.cast.asked(run.prompt, "coder")
    assert "run beside: port-8000 (127.0.0.1:8000)." in told(opening)
    assert "hello" in told(tried)
    checks = run.one("validation.finished")["commands"]
    assert [check["status"] for check in checks] == ["passed", "passed"]
    assert "Beside the checks: port-8000 on port 8000." in repo.told
    assert set(repo.tree(repo.pull.head)) == set(repo.tree("main"))


async def test_a_service_that_does_not_come_up_is_not_the_changes_fault(world: World) -> None:
    repo = await host(world, "echo no licence; exit 3")
    script = {**small_change(), "reviewer": [approve()]}
    run = await world.run("Greet without a service.", repo, script)
    assert (run.end["status"], run.end["reason"]) == ("incomplete", "not_validated")
    validation = run.one("validation.finished")
    assert validation["status"] == "unavailable"
    assert validation["newFailures"] == []
    for check in validation["commands"]:
        assert check["status"] == "unavailable"
        assert check["output"].startswith("The service port-8000 ended before its port 8000")
        assert "no licence" in check["output"]
    assert repo.pull.draft
