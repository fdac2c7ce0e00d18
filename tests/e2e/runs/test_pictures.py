"""Pictures of an issue, from a label to the roles: attached on the forge, seen by Claude."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from demo.script.asking_role import text_of
from tests.standins.github_attachments import HostedAttachment
from tests.support.pictures import GIF, PNG, address_of, picture_id, pictures_in
from tests.support.polling import until
from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.issue_label import (
    BODY,
    ISSUE,
    SECRET,
    TITLE,
    comments_on,
    deliver_label,
    open_issue,
)
from tests.support.whole_runs.world import World

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]
STRANGERS = GIF + b"a stranger's"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    async with World.open(github_webhook_secrets=(SecretStr(SECRET),)) as opened, opened.serving():
        yield opened


async def test_pictures_of_an_issue_reach_the_roles_and_a_strangers_reaches_nobody(
    world: World,
) -> None:
    repo = await world.host()
    open_issue(repo)
    web = world.forge.address
    first, gone, stranger, second = (address_of(web, number) for number in range(1, 5))
    body = f"{BODY}\n\n![as it is]({first})\n![gone]({gone})"
    said = f"It should be\n![so]({second})"
    hosted = repo.repository
    hosted.issues[ISSUE] = (TITLE, body)
    hosted.permissions["eve"] = "read"
    hosted.say(ISSUE, "eve", f"Or rather ![so]({stranger})")
    comment = hosted.say(ISSUE, "ada", said)
    for number, content in ((1, PNG), (3, STRANGERS), (4, GIF)):
        hosted.attachments[picture_id(number)] = HostedAttachment(content)
    prompt = f"{TITLE}\n\n{body}\n\n---\n\n{said}"
    world.cast.learn(prompt, small_change())
    async with httpx.AsyncClient(base_url=world.service.http.base_url, trust_env=False) as http:
        await deliver_label(http, repo)
    login = str(world.forge.shapes.user()["login"])
    await until(lambda: "Done." in "".join(comments_on(repo, login)), within_s=300)
    for role in ("planner", "coder", "reviewer"):
        for request in world.cast.asked(prompt, role):
            assert pictures_in(request) == [PNG, GIF]
            assert f"{gone} is not shown: GitHub answers 404." in text_of(
                request["messages"][0]["content"]
            )
    assert all(STRANGERS not in pictures_in(request) for request in world.claude.requests)
    assert not [each for each in world.forge.requests if picture_id(3) in each.path]
    assert "A picture of the request is not shown to the roles: GitHub answers 404." in repo.told
    read = [each.path for each in world.forge.requests if each.method == "GET"]
    for text in (f"/issues/{ISSUE}", f"/issues/comments/{comment.id}"):
        assert sum(path.endswith(text) for path in read) == 1
    signed = [each for each in world.forge.requests if each.path.startswith("/signed/")]
    assert {each.authorization for each in signed} == {""}
