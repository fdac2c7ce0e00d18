"""A whole job on Modal, through HTTP, each role in a container of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.script import small_change
from tests.e2e.service import Run
from tests.modal.deployment import Deployment
from tests.modal_plane.availability import need_containers

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    need_containers()
    async with Deployment.open() as deployment:
        yield deployment
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)


async def test_from_a_request_to_a_pull_request(deployment: Deployment) -> None:
    repo = await deployment.host()
    async with deployment.client() as http:
        run: Run = await deployment.start(http, "Say good morning.", repo, small_change())
        await run.ended()
        assert run.end["status"] == "succeeded"
        assert run.end["prUrl"] == f"{repo.url}/pull/1"
        assert [event["seq"] for event in run.events] == list(range(1, len(run.events) + 1))
        assert (await run.view())["status"] == "succeeded"
        assert b"Good morning" in await run.diff()
