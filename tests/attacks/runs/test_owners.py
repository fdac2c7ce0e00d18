"""A service with keys: whose run it is, and which repositories there are for whom."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.whole_runs.claude_script import small_change
from tests.support.whole_runs.world import World
from wiring.setting_types.api_keys import parse_api_keys
from wiring.setting_types.repo_rules import parse_repo_rules

pytestmark = [pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow]
KEYS = {name: f"{name}-key-0123456789-0123456789" for name in ("ann", "bob", "olga")}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[name]}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world() -> AsyncIterator[World]:
    """Ann may work on the first repository alone, Olga sees all runs."""
    keys = parse_api_keys(",".join(f"{name}:{key}" for name, key in KEYS.items()))
    repos = parse_repo_rules("octo/sample-1,bob=octo/sample-2")
    settings = {"api_keys": keys, "repos": repos, "operators": ("olga",)}
    async with World.open(**settings) as world, world.serving():
        world.service.http.headers.update(bearer("ann"))
        yield world


async def test_a_run_is_its_owners(world: World) -> None:
    repo, other = await world.host(), await world.host()
    run = await world.run("Greet by key.", repo, small_change())
    assert run.end["status"] == "succeeded"
    assert "requested by ann" in repo.told
    assert (
        "Requested-by: ann"
        in repo.git("show", "--no-patch", "--format=%B", repo.pull.head).decode()
    )

    http, path = world.service.http, f"/runs/{run.run_id}"
    for call in ("", "/events", "/diff"):
        seen = [(await http.get(path + call, headers=bearer(name))).status_code for name in KEYS]
        assert seen == [200, 404, 200]
        assert (await http.get(path + call, headers={"Authorization": ""})).status_code == 401
    for method, call in (("POST", "/cancel"), ("POST", "/resume"), ("DELETE", "")):
        refused = await http.request(method, path + call, headers=bearer("bob"))
        assert refused.status_code == 404
    listed = [(await http.get("/runs", headers=bearer(name))).json()["runs"] for name in KEYS]
    assert [len(runs) for runs in listed] == [1, 0, 1]

    body = {"repoUrl": other.url, "prompt": "Greet elsewhere."}
    refused = await http.post("/code", json=body)
    assert (refused.status_code, refused.json()["code"]) == (404, "repository_not_found")
    assert len((await http.get("/runs")).json()["runs"]) == 1


async def test_credentials_can_be_tried(world: World) -> None:
    answer = await world.service.http.get(
        "/auth-test", params={"repoUrl": f"{world.forge.address}/octo/sample-1"}
    )
    assert answer.json() == {"claude": "ok", "github": "ok", "repo": {"read": True, "push": True}}
    before = len(world.claude.requests)
    hidden = await world.service.http.get(
        "/auth-test", params={"repoUrl": f"{world.forge.address}/octo/sample-2"}
    )
    assert hidden.json()["repo"] == {"read": False, "push": False}
    assert len(world.claude.requests) == before


ELSEWHERE = """\
octo|/etc|./x|~/x|file:///etc|-oProxyCommand=x|--upload-pack=x|ext::sh -c id
git@HOST:octo/sample-1|ssh://git@HOST/octo/sample-1|git://HOST/octo/sample-1|ftp://HOST/o/r
https://HOST/octo/sample-1|//HOST/octo/sample-1|http://169.254.169.254/octo/sample-1
http://[::1]/octo/sample-1|http://0/octo/sample-1|http://2130706433/octo/sample-1
http://127.0.0.1/octo/sample-1|http://localhost/octo/sample-1|http://user@HOST/octo/sample-1
http://a:b@HOST/octo/sample-1|http://evil.example@HOST/o/r|http://HOST@evil.example/o/r
http://HOST.evil.example/o/r|http://HOST\\@evil.example/o/r|http://HOST:80/octo/sample-1
"""
BELOW = """\
octo/sample-1?x=1|octo/sample-1#x|octo/sample-1//|octo|/octo/sample-1|octo//sample-1
./octo/sample-1|octo/..|octo/../octo/sample-1|octo/sample-1/../sample-2|octo/.git
octo%2fsample-1|octo/sample%2d1|octo/sample-1.git.git|-octo/sample-1|octo/-x
octo/s\u0430mple-1|octo/sample-1 --x|octo/sample-1\t|o;id/r|octo/$(id)|octo/sample-1/tree/main
"""
"""Each leads elsewhere, or would be an option, a path or another repository."""


def tricks(web: str) -> list[str]:
    elsewhere = ELSEWHERE.replace("HOST", web.removeprefix("http://"))
    below = [f"{web}/{path}" for row in BELOW.splitlines() for path in row.split("|")]
    return [trick for row in elsewhere.splitlines() for trick in row.split("|")] + below


async def test_no_trick_of_an_address_is_followed(world: World) -> None:
    tried = tricks(world.forge.address)
    before = (len(world.forge.requests), len(world.claude.requests))
    runs = (await world.service.http.get("/runs")).json()
    for url in tried:
        answer = await world.service.http.post("/code", json={"repoUrl": url, "prompt": "Greet."})
        assert (answer.status_code, answer.json()["code"]) in (
            (422, "invalid_repo_url"),
            (422, "invalid_request"),
        ), url
        probed = await world.service.http.get("/auth-test", params={"repoUrl": url})
        assert probed.status_code == 422, url
    assert len(tried) > 40
    assert (len(world.forge.requests), len(world.claude.requests)) == before
    assert (await world.service.http.get("/runs")).json() == runs
