"""`github-app create`: one click, one answer that is believed, files for this user alone."""

import asyncio
import html
import json
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.cli.github_app.create_command import create_app
from tests.standins.github import GitHubStandIn
from tests.standins.github_server.app_key import app_keys
from tests.standins.github_server.apps import HostedApp
from tests.support.polling import until
from wiring.settings import Settings

pytestmark = pytest.mark.slow
CODE = "a180b1a3d263c81bc6441d7b990bae27d4c10679"
SECRET = "the-secret-of-the-webhook-24"
HOOK = "https://agent.example/webhooks/github"


@pytest.fixture
async def forge() -> AsyncIterator[GitHubStandIn]:
    async with GitHubStandIn() as server:
        private, public = app_keys()
        server.app = HostedApp(app_id="777", public_key=public, owner="octo")
        server.conversions[CODE] = {
            "id": 777,
            "slug": "my-agent",
            "html_url": f"{server.address}/apps/my-agent",
            "pem": private,
            "webhook_secret": SECRET,
        }
        yield server


class Shown:
    """What the command has printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.text = ""

    def read(self) -> str:
        self.text += self._capsys.readouterr().out
        return self.text

    async def address(self) -> str:
        await until(lambda: "http://127.0.0.1" in self.read())
        found = re.search(r"http://127\.0\.0\.1:\d+/", self.text)
        assert found
        return found[0]


async def test_one_click(
    forge: GitHubStandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings, shown = Settings(github_api_url=forge.api_url), Shown(capsys)
    work = asyncio.create_task(create_app(settings, HOOK, "octo"))
    address = await shown.address()
    async with httpx.AsyncClient(trust_env=False) as http:
        page = await http.get(address)
        state = check_page(page, forge, address)
        await check_strangers(http, address, state)
        assert not work.done()
        done = await http.get(f"{address}created", params={"state": state, "code": CODE})
        assert done.status_code == 200
    assert await work == 0
    folder, said = tmp_path / "coding-agent", shown.read()
    key, env = folder / "my-agent-777.pem", folder / "env"
    assert key.read_text() == app_keys()[0]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (key, env)} == {0o600}
    assert env.read_text().split() == [
        "CODING_AGENT_GITHUB_APP_ID=777",
        f"CODING_AGENT_GITHUB_APP_KEY_FILE={key}",
        f"CODING_AGENT_GITHUB_WEBHOOK_SECRETS={SECRET}",
    ]
    assert "GitHub takes its key." in said
    assert f"{forge.address}/apps/my-agent/installations/new" in said
    assert (
        f"modal secret create github-token CODING_AGENT_GITHUB_APP_ID=777 {'CODING_AGENT'}" in said
    )
    assert SECRET not in said
    assert "PRIVATE KEY" not in said


def check_page(page: httpx.Response, forge: GitHubStandIn, address: str) -> str:
    """The page's form; its state."""
    policy = page.headers["content-security-policy"]
    assert f"form-action {forge.address};" in policy
    assert "default-src 'none'" in policy
    action = html.unescape(re.search(r'action="([^"]+)"', page.text)[1])  # type: ignore[index]
    assert action.startswith(f"{forge.address}/organizations/octo/settings/apps/new?state=")
    value = html.unescape(re.search(r'value="([^"]+)"', page.text)[1])  # type: ignore[index]
    manifest: dict[str, Any] = json.loads(value)
    assert manifest["redirect_url"] == f"{address}created"
    assert manifest["public"] is False
    assert manifest["hook_attributes"]["url"] == HOOK
    assert manifest["default_permissions"]["contents"] == "write"
    assert not {"administration", "workflows"} & manifest["default_permissions"].keys()
    assert {"issues", "issue_comment", "check_suite"} < set(manifest["default_events"])
    (state,) = parse_qs(urlsplit(action).query)["state"]
    assert len(state) > 40
    return state


async def check_strangers(http: httpx.AsyncClient, address: str, state: str) -> None:
    """No other page can hand in a code of its own."""
    wrong = [{"state": "x", "code": CODE}, {"code": CODE}, {"state": state, "code": "../user"}]
    for query in wrong:
        assert (await http.get(f"{address}created", params=query)).status_code == 403
    other = await http.get(address, headers={"Host": "rebound.example"})
    assert other.status_code == 400
    assert state not in other.text
