"""With an App the receipt is the page of a check on the head, under way first, then neutral."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from forge.core import RECEIPT_CHECK
from forge.publish.record import load
from forge.publish.service import ForgePublisher
from forge.receipt import CheckProgress, read_page
from forge.secret_scan import SecretCatalogue
from graph.errors import ForgeForbidden, PushRejected
from tests.forge.github.test_app import as_app
from tests.forge.publish.test_follow_up import THEIRS, follow
from tests.forge.publish.test_preflight import BRANCH as WANTED
from tests.forge.publish.test_preflight import answer
from tests.forge.publish.test_receipts import comments, head, publish
from tests.standins.github import DROPPED, Fault
from tests.standins.github_server.apps import ALL
from tests.support.polling import until
from tests.support.pull_requests import add_pull, change_on, prepare_pull
from tests.support.trusted_side import TrustedSide, write_file
from wiring.verification.find_receipt import find_receipt

pytestmark = pytest.mark.slow


@pytest.fixture
def ours(side: TrustedSide, rules_cache: Path) -> TrustedSide:
    """The trusted side as an App that may make checks."""
    return as_app(side, rules=rules_cache)[0]


def checks(side: TrustedSide) -> list[dict[str, Any]]:
    return [row for rows in side.hosted.checks.values() for row in rows]


def asked(side: TrustedSide) -> list[str]:
    calls = (each for each in side.forge.requests if each.path.startswith("/api/"))
    return [f"{each.method} {each.path}" for each in calls]


async def test_the_receipt_is_its_page(ours: TrustedSide) -> None:
    await publish(ours)
    (check,) = checks(ours)
    assert (check["name"], check["status"], check["conclusion"]) == (
        RECEIPT_CHECK,
        "completed",
        "neutral",
    )
    assert check["output"]["title"].startswith("Receipt: 0 of 0 checks passed")
    read = read_page(check["output"]["summary"])
    assert read
    assert read[0].commit == check["head_sha"] == head(ours)
    assert not comments(ours)


async def test_it_is_under_way_until_the_pull_request_is_there(ours: TrustedSide) -> None:
    ours.forge.fail("PATCH", "/check-runs/1", Fault(403, times=9))
    await publish(ours)
    (check,) = checks(ours)
    assert (check["status"], check["conclusion"]) == ("in_progress", None)
    assert read_page(comments(ours)[0])


async def test_a_publication_that_fails_leaves_none_under_way(ours: TrustedSide) -> None:
    ours.forge.fail("POST", "/pulls", Fault(403, "Resource not accessible by integration"))
    with pytest.raises(ForgeForbidden):
        await publish(ours)
    (check,) = checks(ours)
    assert (check["status"], check["conclusion"]) == ("completed", "neutral")
    assert "does not follow" in check["output"]["title"]
    ours.forge.forgive()
    publication = ours.publication(await ours.prepare(), await change_again(ours))
    await ours.publish(publication)
    (check,) = checks(ours)
    assert read_page(check["output"]["summary"])


async def change_again(side: TrustedSide) -> Any:
    """The change of `publish`, once more."""
    base = await side.prepare()
    return await side.change(base, lambda work: (work / "new-2.py").write_text("new = 1\n"), 4)


async def test_a_receipt_that_cannot_be_written_leaves_none_under_way(
    ours: TrustedSide, rules_cache: Path
) -> None:
    secret = "a-version-that-is-a-secret"
    ours.github.access.credentials.forms.add(SecretStr(secret))
    ours.publisher = ForgePublisher(
        runs=ours.runs,
        forge=ours.github,
        kept=ours.kept,
        catalogue=SecretCatalogue(rules_cache),
        version=secret,
    )
    with pytest.raises(PushRejected):
        await publish(ours)
    (check,) = checks(ours)
    assert (check["status"], check["conclusion"]) == ("completed", "neutral")
    assert check["output"]["title"] == "The receipt does not follow: push_refused"
    assert load(ours.run()).number == 1


@pytest.mark.parametrize("path", ["/pulls", "/check-runs", "/check-runs/1"])
async def test_one_that_is_cancelled_leaves_none_under_way(ours: TrustedSide, path: str) -> None:
    verb = "PATCH" if path.endswith("1") else "POST"
    ours.forge.fail(verb, path, Fault(403, late_s=8))  # the call is under way meanwhile
    publishing = asyncio.create_task(publish(ours))
    await until(lambda: ours.forge.calls(verb, path) > 0)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    (check,) = checks(ours)
    assert (check["status"], check["conclusion"]) == ("completed", "neutral")
    assert "does not follow: stopped" in check["output"]["title"]


async def test_where_its_page_is_refused_it_ends_without(ours: TrustedSide) -> None:
    ours.forge.fail("PATCH", "/check-runs/1", Fault(422))
    await publish(ours)
    (check,) = checks(ours)
    assert (check["status"], check["conclusion"]) == ("completed", "neutral")
    assert check["output"]["title"].startswith("Receipt: 0 of 0 checks passed")
    assert not read_page(check["output"]["summary"])
    assert read_page(comments(ours)[0])


async def test_each_head_has_its_own(ours: TrustedSide) -> None:
    await publish(ours, draft=True)
    await publish(ours, step=3)
    first, second = checks(ours)
    assert second["head_sha"] == head(ours) != first["head_sha"]
    assert {first["conclusion"], second["conclusion"]} == {"neutral"}


async def test_one_whose_answer_was_lost_is_found(ours: TrustedSide) -> None:
    ours.forge.fail("POST", "/check-runs", Fault(**{**vars(DROPPED), "after": True}))
    await publish(ours)
    (check,) = checks(ours)
    assert check["conclusion"] == "neutral"
    assert not comments(ours)


async def test_one_that_was_begun_before_a_kill_is_found(ours: TrustedSide) -> None:
    await publish(ours)
    record = load(ours.run())
    forgotten = record.model_copy(update={"check": None})
    (ours.run().root / "publication.json").write_text(forgotten.model_dump_json())
    publication = ours.publication(await ours.prepare(), await change_again(ours))
    await ours.publish(publication)
    assert len(checks(ours)) == 1
    assert load(ours.run()).check == record.check


@pytest.mark.parametrize("by", ["protection", "ruleset"])
async def test_one_of_a_required_name_is_never_made(ours: TrustedSide, by: str) -> None:
    if by == "protection":
        ours.hosted.required.add(RECEIPT_CHECK)
    else:
        parameters = {"required_status_checks": [{"context": RECEIPT_CHECK}]}
        rule = {"type": "required_status_checks", "ruleset_id": 1, "parameters": parameters}
        answer(ours, "/rules/branches/main", [rule])
    await publish(ours)
    assert not checks(ours)
    assert read_page(comments(ours)[0])


async def test_without_the_right_it_is_a_comment(side: TrustedSide, rules_cache: Path) -> None:
    rights = {name: level for name, level in ALL.items() if name != "checks"}
    ours, _ = as_app(side, rules=rules_cache, permissions=rights)
    await publish(ours)
    assert not checks(ours)
    assert read_page(comments(ours)[0])


async def test_a_token_asks_for_none(side: TrustedSide) -> None:
    await publish(side)
    assert not [call for call in asked(side) if "check-runs" in call]
    assert read_page(comments(side)[0])


async def test_verify_finds_it_and_believes_no_other_app(ours: TrustedSide) -> None:
    await publish(ours)
    (check,) = checks(ours)
    planted = {**check, "id": 9, "app": {"slug": "mallory"}}
    ours.hosted.checks[head(ours)].append(planted)
    pull = await ours.github.pull("octo/sample", 1)
    found = await find_receipt(ours.github, "octo/sample", pull, head(ours))
    assert found.receipt
    assert found.receipt.commit == head(ours)
    (note,) = found.notes
    assert "mallory[bot]" in note
    ours.hosted.checks[head(ours)] = [planted]
    assert not (await find_receipt(ours.github, "octo/sample", pull, head(ours))).receipt


async def test_it_makes_no_pull_request_green(ours: TrustedSide) -> None:
    await publish(ours)
    state = await ours.github.pull_state("octo/sample", 1)
    assert not state.ended
    theirs = {"id": 5, "name": "test", "status": "completed", "conclusion": "success"}
    ours.hosted.checks[head(ours)].append(theirs)
    state = await ours.github.pull_state("octo/sample", 1)
    assert [each.name for each in state.passed] == ["test"]


async def test_a_plain_run_asks_the_forge_little(ours: TrustedSide) -> None:
    ours.forge.requests.clear()
    base = await ours.prepare()
    change = await ours.change(base, write_file)
    await ours.publisher.check_publishable("r1", base, WANTED, None, ours.events.append)
    await ours.publish(ours.publication(base, change, reviewers=("ada",)))
    assert len(checks(ours)) == 1
    assert len(asked(ours)) <= 12, "\n".join(asked(ours))


async def test_a_follow_up_asks_the_forge_little(ours: TrustedSide) -> None:
    pull = await add_pull(ours, THEIRS, author="my-agent[bot]")
    ours.forge.requests.clear()
    base = await prepare_pull(ours, pull)
    change = await change_on(ours, base, lambda work: (work / "more.txt").write_text("ours\n"))
    await ours.publisher.check_publishable("r1", base, pull.head, None, ours.events.append)
    await follow(ours, base, change)
    (check,) = checks(ours)
    assert check["conclusion"] == "neutral"
    assert len(asked(ours)) <= 15, "\n".join(asked(ours))


async def test_a_cold_follow_up_shows_how_far_it_is_by_few_calls(ours: TrustedSide) -> None:
    pull = await add_pull(ours, THEIRS, author="my-agent[bot]")
    ours.forge.requests.clear()
    progress = CheckProgress(ours.runs, ours.github)
    base = await prepare_pull(ours, pull)
    progress.show("r1", base, "code")
    change = await change_on(ours, base, lambda work: (work / "more.txt").write_text("ours\n"))
    await asyncio.wait([progress.work("r1")])
    await ours.publisher.check_publishable("r1", base, pull.head, None, ours.events.append)
    await follow(ours, base, change)
    await progress.end("r1", "succeeded")
    assert [check["conclusion"] for check in checks(ours)] == ["neutral"] * 2
    assert len(asked(ours)) <= 15, "\n".join(asked(ours))
