"""A GitHub App in place of a token: one repository, the rights needed, renewed, refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from forge.base.clone import tip_of
from forge.core.repository_address import parse
from forge.git.command import Git
from forge.github import AppKey, GitHub
from forge.github.connection.installation_tokens import RENEW_S
from graph import unheard
from graph.errors import (
    AppNotInstalled,
    AppSuspended,
    CodingAgentError,
    ForgeForbidden,
    ForgeUnauthorized,
)
from tests.standins.github import Fault, GitHubStandIn, files_that_hold
from tests.standins.github_server.app_key import app_keys
from tests.standins.github_server.apps import ALL, HostedApp
from tests.support.trusted_side import FAST, TrustedSide, write_file

APP_ID = "12345"


def as_app(
    side: TrustedSide, key: str = "", rules: Path | None = None, **facts: Any
) -> tuple[TrustedSide, HostedApp]:
    """The trusted side over the same forge, signed in as an App that `octo` has installed."""
    private, public = app_keys()
    app = HostedApp(app_id=APP_ID, public_key=public, owner="octo", **facts)
    side.forge.app = app
    github = open_app(side.forge, key or private)
    args = (side.forge, side.hosted, side.source, side.runs, rules, side.first)
    return TrustedSide.open(*args, github=github), app


def open_app(forge: GitHubStandIn, key: str) -> GitHub:
    app = AppKey(APP_ID, SecretStr(key))
    return GitHub(api_url=forge.api_url, token=None, app=app, retry_policy=FAST, timeout_s=10)


async def test_a_pull_request_by_an_app(side: TrustedSide, rules_cache: Path) -> None:
    side.hosted.private = True
    ours, app = as_app(side, rules=rules_cache)
    base = await ours.prepare()
    change = await ours.change(base, write_file)
    pull = await ours.publish(ours.publication(base, change))
    assert [made.number for made in side.hosted.pulls.values()] == [pull.number]
    await ours.github.close()
    assert [minted.repositories for minted in app.minted] == [{"sample"}] * 2
    reading, working = sorted(app.minted, key=lambda minted: len(minted.permissions))
    assert reading.permissions == {"contents": "read", "metadata": "read"}
    assert working.permissions == ALL
    account = await ours.github.account()
    assert account.author == "my-agent[bot] <4242+my-agent[bot]@users.noreply.github.com>"
    assert not account.user
    assert side.forge.calls("GET", "/installation") == 1
    written = side.runs.parent
    key = app_keys()[0].splitlines()[3]
    for minted in app.minted:
        assert not files_that_hold(written, minted.value)
    assert not files_that_hold(written, key)


async def test_a_token_is_for_one_repository(side: TrustedSide) -> None:
    ours, app = as_app(side)
    other = await side.forge.add_repository("octo/other", side.source)
    await ours.github.repository("octo/sample")
    await ours.github.repository("octo/other")
    assert [minted.repositories for minted in app.minted] == [{"sample"}, {"other"}]
    assert not app.opens(app.minted[0].value, other.full_name)


async def test_git_reads_by_a_token_that_can_do_nothing_else(side: TrustedSide) -> None:
    ours, app = as_app(side)
    await ours.prepare()
    app.minted = [token for token in app.minted if "write" not in token.permissions.values()]
    address = parse(ours.url, side.forge.address, allow_local=False)
    git = Git(ours.github.access)
    tip = await tip_of(git, address, None, emit=unheard, retry_policy=FAST)
    assert tip.branch == "main"
    assert side.forge.calls("POST", "/access_tokens") == 2
    (reading,) = app.minted
    assert not app.opens(reading.value, "octo/sample", pushes=True)


async def test_a_renamed_repository_is_found_under_its_new_name(side: TrustedSide) -> None:
    ours, app = as_app(side)
    old = side.url
    side.forge.rename(side.hosted, "octo/renamed")
    base = await ours.prepare(old)
    assert base.full_name == "octo/renamed"
    assert app.minted[-1].repositories == {"renamed"}


async def test_rights_that_were_taken_meanwhile_are_named(side: TrustedSide) -> None:
    ours, app = as_app(side, lasts_s=1)
    await ours.github.repository("octo/sample")
    app.permissions = {"contents": "read", "pull_requests": "write", "metadata": "read"}
    with pytest.raises(ForgeForbidden, match="may not write Contents") as told:
        await ours.github.repository("octo/sample")
    assert "accepts that at" in told.value.hint


@pytest.mark.parametrize(
    ("said", "kind", "hint"),
    [
        ("Resource not accessible by integration", ForgeForbidden, "Give the App issues=write"),
        ("This installation has been suspended", AppSuspended, "Unsuspend the App"),
    ],
)
async def test_what_an_app_is_refused_says_how_to_mend_it(
    side: TrustedSide, said: str, kind: type[CodingAgentError], hint: str
) -> None:
    ours, _ = as_app(side)
    await ours.github.repository("octo/sample")
    rights = {"X-Accepted-GitHub-Permissions": "issues=write"}
    side.forge.fail("POST", "/issues/1/comments", Fault(403, said, rights))
    with pytest.raises(ForgeForbidden) as raised:
        await ours.github.create_comment("octo/sample", 1, "Hello.")
    assert type(raised.value) is kind
    assert hint in raised.value.hint
    assert ("/settings/installations/77" in raised.value.hint) == (kind is ForgeForbidden)


async def test_what_is_told_with_a_token_is_not_asked_for(side: TrustedSide) -> None:
    ours, _ = as_app(side)
    for _ in range(2):
        facts = await ours.github.repository("octo/sample")
        assert (facts.full_name, facts.default_branch) == ("octo/sample", "main")
    assert side.forge.calls("GET", "/repos/octo/sample") == 1


async def test_a_token_is_renewed_before_it_ends(side: TrustedSide) -> None:
    ours, app = as_app(side, lasts_s=RENEW_S - 60)
    await ours.github.repository("octo/sample")
    await ours.github.repository("octo/sample")
    assert len(app.minted) == 2
    app.lasts_s = RENEW_S + 60
    for _ in range(3):
        await ours.github.repository("octo/sample")
    assert len(app.minted) == 3


async def test_a_token_that_ends_before_its_time_is_replaced(side: TrustedSide) -> None:
    ours, app = as_app(side)
    await ours.github.repository("octo/sample")
    app.end_tokens()
    assert (await ours.github.repository("octo/sample")).full_name == "octo/sample"
    assert len(app.minted) == 2


async def test_a_push_after_the_token_was_revoked(side: TrustedSide, rules_cache: Path) -> None:
    ours, app = as_app(side, rules=rules_cache)
    base = await ours.prepare()
    change = await ours.change(base, write_file)
    app.end_tokens()
    await ours.publish(ours.publication(base, change))
    assert len(side.hosted.pulls) == 1
    assert len(app.minted) == 4, "two to read by, two for all else"


async def test_a_token_that_ends_in_mid_push_is_replaced(
    side: TrustedSide, rules_cache: Path
) -> None:
    ours, app = as_app(side, rules=rules_cache)
    base = await ours.prepare()
    change = await ours.change(base, write_file)
    minted = len(app.minted)
    side.forge.fail("POST", ".git/git-receive-pack", Fault(401))
    await ours.publish(ours.publication(base, change))
    assert len(side.hosted.pulls) == 1
    assert len(app.minted) == minted + 1


async def test_only_rights_that_there_are_are_asked_for(side: TrustedSide) -> None:
    granted = {"contents": "write", "pull_requests": "write", "metadata": "read", "pages": "write"}
    ours, app = as_app(side, permissions=granted)
    await ours.github.repository("octo/sample")
    (minted,) = app.minted
    assert set(minted.permissions) == {"contents", "pull_requests", "metadata"}


@pytest.mark.parametrize(
    ("facts", "kind", "told"),
    [
        ({"owner": "ada"}, AppNotInstalled, "Install the App"),
        ({"suspended": True}, AppSuspended, "Unsuspend"),
        ({"permissions": {"contents": "read", "metadata": "read"}}, ForgeForbidden, "accepts that"),
    ],
)
async def test_what_an_app_lacks_is_told_with_a_hint(
    side: TrustedSide, facts: dict[str, Any], kind: type[CodingAgentError], told: str
) -> None:
    ours, app = as_app(side)
    side.forge.app = replace(app, **facts)
    with pytest.raises(kind) as raised:
        await ours.prepare()
    assert type(raised.value) is kind
    assert "octo/sample" in raised.value.message
    assert told in raised.value.hint
    assert side.forge.calls("POST", "/access_tokens") == 0


@pytest.mark.parametrize(
    "facts", [{"suspended": True}, {"permissions": {"contents": "read", "metadata": "read"}}]
)
async def test_what_was_lacking_is_there_at_once(side: TrustedSide, facts: dict[str, Any]) -> None:
    ours, app = as_app(side)
    side.forge.app = replace(app, **facts)
    with pytest.raises(ForgeForbidden):
        await ours.github.repository("octo/sample")
    side.forge.app = app
    assert (await ours.github.repository("octo/sample")).full_name == "octo/sample"


async def test_one_that_is_suspended_meanwhile(side: TrustedSide) -> None:
    ours, _ = as_app(side, lasts_s=1)
    await ours.github.repository("octo/sample")
    side.forge.fail("POST", "/access_tokens", Fault(403, "This installation has been suspended"))
    with pytest.raises(AppSuspended, match="octo/sample"):
        await ours.github.repository("octo/sample")


@pytest.mark.parametrize(
    "key",
    [
        "no key at all",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIBfake\n-----END RSA PRIVATE KEY-----\n",
    ],
)
async def test_a_key_that_is_none(side: TrustedSide, key: str) -> None:
    ours, _ = as_app(side, key)
    with pytest.raises(ForgeUnauthorized):
        await ours.github.probe()
    with pytest.raises(CodingAgentError) as raised:
        await ours.github.repository("octo/sample", unheard)
    assert "CODING_AGENT_GITHUB_APP_KEY_FILE" in raised.value.hint
    assert "fake" not in raised.value.message


async def test_the_probe_tries_the_key(side: TrustedSide) -> None:
    ours, app = as_app(side)
    await ours.github.probe()
    app.app_id = "another"
    with pytest.raises(ForgeUnauthorized):
        await ours.github.probe()


async def test_a_minted_token_passes_no_gate(side: TrustedSide, rules_cache: Path) -> None:
    ours, app = as_app(side, rules=rules_cache)
    base = await ours.prepare()
    leaked = f"TOKEN = '{app.minted[0].value}'\n"
    change = await ours.change(base, lambda work: (work / "leak.py").write_text(leaked))
    report = await ours.publisher.gate("r1", base, change, ())
    assert not report.passed
    assert "token" in report.findings[0].message


def test_the_key_file_is_named_where_it_cannot_be_read(tmp_path: Path) -> None:
    from wiring.setting_groups.github_app import GitHubAppSettings, read_app_key

    named = GitHubAppSettings(github_app_id="1", github_app_key_file=tmp_path / "none.pem")
    with pytest.raises(ValueError, match=r"none\.pem cannot be read"):
        read_app_key(named)


async def test_what_nobody_took_is_asked_for_again(side: TrustedSide) -> None:
    ours, app = as_app(side)
    tries = [(9, "c", 502), (8, "a", 202), (7, "b", 0), (6, "a", 502), (5, "d", 422)]
    tries += [(4, "d", 422), (3, "d", 422), (2, "e", 200), (1, "f", 302)]
    app.deliveries = [
        {"id": number, "guid": guid, "status_code": status, "event": "issues"}
        for number, guid, status in tries
    ]
    assert await ours.github.redeliver_failed() == 3
    assert app.redelivered == [9, 7, 1]
    assert await side.github.redeliver_failed() == 0


async def test_what_nobody_took_is_found_behind_hundreds_of_others(side: TrustedSide) -> None:
    ours, app = as_app(side)
    taken = [
        {"id": number, "guid": f"g{number}", "status_code": 202, "event": "push"}
        for number in range(500, 240, -1)
    ]
    lost = {"id": 240, "guid": "lost", "status_code": 0, "event": "issues"}
    app.deliveries = [*taken, lost, {**lost, "id": 239, "guid": "g300"}]
    assert await ours.github.redeliver_failed() == 1
    assert app.redelivered == [240]


async def test_what_may_have_been_taken_since_is_left(side: TrustedSide) -> None:
    """Of an App so busy that GitHub lists no longer all that came after what failed."""
    ours, app = as_app(side)
    rows = [
        {"id": number, "guid": f"g{number}", "status_code": 202, "event": "push"}
        for number in range(1300, 0, -1)
    ]
    for number, guid, status in ((1250, "lost", 0), (150, "old", 202), (100, "old", 502)):
        rows[1300 - number] |= {"guid": guid, "status_code": status}
    app.deliveries = rows
    assert await ours.github.redeliver_failed() == 1
    assert app.redelivered == [1250]
    assert side.forge.calls("GET", "/app/hook/deliveries") == 10


async def test_the_newest_deliveries_are_read_to_their_end(side: TrustedSide) -> None:
    ours, app = as_app(side)
    app.deliveries = [
        {"id": number, "guid": f"g{number}", "status_code": 202, "event": "push"}
        for number in range(450, 0, -1)
    ]
    assert await ours.github.redeliver_failed() == 0
    assert side.forge.calls("GET", "/app/hook/deliveries") == 5


async def test_a_delivery_that_is_sent_no_more_holds_up_no_other(side: TrustedSide) -> None:
    ours, app = as_app(side)
    app.deliveries = [
        {"id": number, "guid": f"g{number}", "status_code": 502, "event": "issues"}
        for number in (9, 7)
    ]
    side.forge.fail("POST", "/9/attempts", Fault(422))
    assert await ours.github.redeliver_failed() == 1
    assert app.redelivered == [7]
