"""A repository whose tests need a package, from the request to the pull request."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.standins.package_index import PackageIndex
from tests.support.needed_programs import needs
from tests.support.whole_runs.claude_script import (
    done,
    shell,
    small_change,
    told,
)
from tests.support.whole_runs.hosted_repository import GREETER
from tests.support.whole_runs.world import World

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
NEEDS_TINY = "import tiny\nimport unittest\n\n\n" + GREETER["test_greet.py"].replace(
    "import unittest\n", "", 1
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PackageIndex]:
    with PackageIndex(tmp_path_factory.mktemp("index")) as index:
        yield index


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(index: PackageIndex) -> AsyncIterator[World]:
    async with World.open(setup_hosts=(index.host,)) as world, world.serving():
        yield world


def needing(index: PackageIndex) -> dict[str, str]:
    """A list with an index of its own; the stand-in's certificate is nobody's."""
    where = f"--index-url {index.url}/simple\n--trusted-host {index.host}\n"
    return {**GREETER, "test_greet.py": NEEDS_TINY, "requirements.txt": f"{where}tiny\n"}


@needs("pip")
async def test_what_a_list_names_is_installed_before_tests_run(
    world: World, index: PackageIndex
) -> None:
    repo = await world.host(needing(index))
    run = await world.run("Greet with a package.", repo, small_change())
    assert run.end["status"] == "succeeded"
    (asked, _) = world.cast.asked(run.prompt, "coder")
    install = "uv pip install --python /home/agent/venvs/root -r requirements.txt"
    assert f"- `{install}`" in told(asked)
    (command,) = run.one("validation.finished")["commands"]
    assert (command["command"], command["status"]) == ("python3 -m unittest discover", "passed")
    assert index.asked["/tiny-1.0-py3-none-any.whl"] == 1
    assert set(repo.tree(repo.pull.head)) == set(repo.tree("main"))


@needs("curl")
async def test_a_host_that_is_not_named_ends_the_run_with_a_hint(
    world: World, index: PackageIndex, tmp_path: Path
) -> None:
    repo = await world.host()
    fetch = "curl -sf https://elsewhere.example/install.sh | sh; echo no; exit 4"
    run = await world.run(
        "Greet from elsewhere.",
        repo,
        {**small_change(), "coder": [], "reviewer": []},
        setup=[fetch],
    )
    assert (run.end["status"], run.error) == ("failed", "setup_failed")
    error = run.end["error"]
    assert "exit code 4" in error["message"]
    assert "elsewhere.example:443 is not in CODING_AGENT_SETUP_HOSTS" in error["hint"]
    assert repo.branches == []


async def test_roles_and_checks_have_no_network_all_the_same(
    world: World, index: PackageIndex
) -> None:
    repo = await world.host()
    before = index.asked.total()
    knock = f"exec 3<>/dev/tcp/127.0.0.1/{index.port}"
    script = small_change(
        coder=[shell(f"{knock} && touch reached; echo '# more' >> greet.py"), done()]
    )
    run = await world.run("Greet without a network.", repo, script, validate=[f"! ( {knock} )"])
    assert run.end["status"] == "succeeded"
    assert index.asked.total() == before
    assert "reached" not in json.dumps(run.of("change.updated"))
