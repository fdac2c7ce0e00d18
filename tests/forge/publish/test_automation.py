"""The pull request says what the repository's automation does with it, before anyone reads it."""

import json

import pytest

from forge.publish.service import ForgePublisher
from forge.text.pull_request import MAX_CHARACTERS, MAX_LINES
from tests.forge.gate.test_judge import write
from tests.standins.github import Fault
from tests.standins.github_server.repository import HostedRepository
from tests.support.trusted_side import (
    TrustedSide,
    git,
    write_file,
)

HEADING = "### What this starts\n\n"
DEPLOY = """\
on: [push, pull_request]
permissions: {contents: write}
jobs:
  deploy: {runs-on: [self-hosted], steps: [{run: 'x', env: {K: '${{ secrets.DEPLOY }}'}}]}
"""


async def published(
    side: TrustedSide, files: dict[str, str], *, fork: bool = False, workflows: tuple[str, ...] = ()
) -> HostedRepository:
    """The repository with these files, once a change is published there."""
    for path, text in files.items():
        write(path, text)(side.source)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "automation", "--allow-empty")
    hosted = await side.forge.add_repository("octo/automated", side.source, push=not fork)
    hosted.workflows += workflows
    if fork:
        side.publisher = ForgePublisher(
            runs=side.runs,
            forge=side.github,
            forks=True,
        )
    base = await side.prepare(f"{side.forge.address}/octo/automated")
    change = await side.change(base, write_file)
    change = change.model_copy(update={"summary": "It greets. " * 900})
    await side.publisher.publish(side.publication(base, change), side.events.append)
    return hosted


async def told(side: TrustedSide, files: dict[str, str], *, fork: bool = False) -> list[str]:
    hosted = await published(side, files, fork=fork)
    (receipt,) = hosted.comments.values()
    body = receipt.body
    assert HEADING in body
    section: str = body.partition(HEADING)[2].partition("\n\n")[0]
    return section.splitlines()


async def test_what_runs_is_told(side: TrustedSide) -> None:
    files = {
        ".github/workflows/deploy.yml": DEPLOY,
        ".github/workflows/nightly.yaml": "on: schedule\njobs: {}\n",
        ".github/workflows/README.md": "on: push\n",
        ".circleci/config.yml": "version: 2.1\n",
        "Jenkinsfile": "pipeline {}\n",
    }
    rows = await told(side, files)
    assert sorted(rows) == [
        "- `.circleci` CircleCI may run, with rights that cannot be seen from here.",
        (
            "- `.github/workflows/deploy.yml` runs at the push of the branch, before anyone has "
            "read it; runs for the pull request, with this repository's rights; uses the secrets "
            "DEPLOY; has a token that may write contents; on self-hosted runners."
        ),
        "- `Jenkinsfile` Jenkins may run, with rights that cannot be seen from here.",
    ]


@pytest.mark.slow
async def test_a_forks_rights_are_others(side: TrustedSide) -> None:
    (row,) = await told(side, {".github/workflows/deploy.yml": DEPLOY}, fork=True)
    assert "as a fork's: without secrets" in row
    assert "at the push" not in row


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["@octocat closes #1.yml", "<img src=x>.yml", "`x` ![a](b).yml", "a\n### b.yml"]
)
async def test_what_a_workflow_is_called_has_no_effect(side: TrustedSide, name: str) -> None:
    text = "on: push\npermissions: {'@octocat <b>': write}\njobs: {}\n"
    (row,) = await told(side, {f".github/workflows/{name}": text})
    assert "@o" not in row
    assert "<b" not in row
    assert "#1" not in row


async def test_nothing_to_run_is_said(side: TrustedSide) -> None:
    (row,) = await told(side, {})
    assert row.startswith("- No automation")


async def test_an_account_that_starts_nothing_is_told(side: TrustedSide) -> None:
    sign_in_as_actions(side)
    files = {".github/workflows/deploy.yml": DEPLOY, "Jenkinsfile": "pipeline {}\n"}
    rows = await told(side, files)
    assert ["starts none" in row for row in rows] == [True, False]
    assert "Jenkins may run" in rows[1]


def sign_in_as_actions(side: TrustedSide) -> None:
    side.forge.fail("GET", "/user", Fault(403, "Resource not accessible by integration"))
    viewer = {"data": {"viewer": {"login": "github-actions[bot]", "databaseId": 41898282}}}
    side.forge.fail("POST", "/api/graphql", Fault(200, body=json.dumps(viewer).encode()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "said"), [({".github/workflows/deploy.yml": DEPLOY}, True), ({}, False)]
)
async def test_the_pull_request_says_that_ci_did_not_start(
    side: TrustedSide, files: dict[str, str], said: bool
) -> None:
    sign_in_as_actions(side)
    hosted = await published(side, files)
    assert ("CI did not start" in hosted.pulls[1].body) is said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workflows", "said"),
    [(("success", "action_required"), True), (("success",), False), ((), False)],
)
async def test_it_says_that_workflows_wait_for_an_approval(
    side: TrustedSide, workflows: tuple[str, ...], said: bool
) -> None:
    files = {".github/workflows/deploy.yml": DEPLOY}
    hosted = await published(side, files, fork=True, workflows=workflows)
    body = hosted.pulls[1].body
    assert ("CI did not start: it waits" in body) is said
    assert body.count("Made by a coding agent") == 1
    assert len(body.splitlines()) <= MAX_LINES
    assert len(body) <= MAX_CHARACTERS


@pytest.mark.slow
async def test_a_pull_request_of_the_repository_itself_waits_for_nobody(side: TrustedSide) -> None:
    files = {".github/workflows/deploy.yml": DEPLOY}
    hosted = await published(side, files, workflows=("action_required",))
    assert "CI did not start" not in hosted.pulls[1].body
