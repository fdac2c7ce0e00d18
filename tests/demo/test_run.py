"""The whole job on the sample: real git, HTTP, sandbox and tests; only Claude is replayed."""

import asyncio
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.exit_codes import exit_code
from demo.environment import Stage, open_stage
from demo.script.sample_repository import REQUEST, make_sample
from tests.support.command.warm_command import ROOT, WarmCommand
from wiring.settings import Settings

Event = dict[str, Any]
pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


class Drawn:
    """Keeps a run's events, as a drawing would show them."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, events: AsyncIterator[Event]) -> int:
        self.events = [event async for event in events]
        return exit_code(self.events[-1]["status"])

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["type"] == kind]

    def nodes(self) -> list[tuple[str, str]]:
        return [(event["node"], event["outcome"]) for event in self.of("node.finished")]


@pytest.fixture
def settings() -> Settings:
    return Settings()


async def played(stage: Stage, prompt: str = REQUEST) -> tuple[int, Drawn]:
    drawn = Drawn()
    return await stage.run(prompt, drawn), drawn


async def test_the_request_becomes_a_reviewed_pull_request(
    data_dir: Path, settings: Settings
) -> None:
    sample = make_sample(data_dir / "sample")
    async with open_stage(data_dir, sample, settings, live=False) as stage:
        code, drawn = await played(stage)
        assert code == 0, drawn.events[-1]
        assert drawn.nodes() == [
            ("prepare", "ok"),
            ("plan", "ok"),
            ("code", "ok"),
            ("validate", "failed"),
            ("fix", "ok"),
            ("validate", "passed"),
            ("review", "request_changes"),
            ("fix", "ok"),
            ("validate", "passed"),
            ("review", "approved"),
            ("publish", "ok"),
        ]
        check_story(drawn)
        (created,) = drawn.of("pr.created")
        assert created["draft"] is False
        found = stage.forge.pull
        assert found is not None
        base, head = found["base"]["ref"], found["head"]["ref"]
        assert (base, head) == ("main", created["branch"])
        assert "python3 -m unittest discover -s tests -t ." in found["body"]
        (receipt,) = stage.forge.comments
        assert drawn.events[0]["runId"] in receipt
        check_pushed(stage.forge.git_dir, head, await stage.diff(base, head))


def check_story(drawn: Drawn) -> None:
    """The failing test, the finding and the end are told."""
    failed, *passed = drawn.of("validation.finished")
    assert "test_printed_amounts_add_up" in failed["newFailures"][0]
    assert failed["commands"][0]["exitCode"] == 1
    assert [event["status"] for event in passed] == ["passed", "passed"]
    objected, approved = drawn.of("review.finished")
    assert objected["findings"][0]["path"] == "tinybill/reader.py"
    assert approved["verdict"] == "approve"
    ended = drawn.events[-1]
    assert (ended["type"], ended["status"]) == ("run.finished", "succeeded")
    assert ended["usage"]["cache_read_input_tokens"] > 0
    assert {event["role"] for event in drawn.of("role.text")} >= {"planner", "coder", "fixer"}
    assert drawn.of("role.thinking")


def check_pushed(git_dir: Path, branch: str, diff: str) -> None:
    """What is on the branch does what was asked."""
    assert "+examples/sale.txt" not in diff
    assert "+++ b/examples/sale.txt" in diff
    tree = git_dir.with_name("tree")
    subprocess.run(
        ["git", "clone", "--quiet", "--branch", branch, str(git_dir), str(tree)], check=True
    )
    printed = subprocess.run(
        [sys.executable, "-B", "-m", "tinybill", "examples/sale.txt"],
        cwd=tree,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    amounts = {line.split()[0]: line.split()[-1] for line in printed.splitlines() if line.split()}
    assert (amounts["Discount"], amounts["Tax"], amounts["Total"]) == ("-10.01", "17.11", "107.15")


def commit(folder: Path, path: str, old: str, new: str) -> None:
    """Change the sample, as a later version of it might be."""
    file = folder / path
    before = file.read_text(encoding="utf-8")
    assert old in before
    file.write_text(before.replace(old, new), encoding="utf-8")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
    subprocess.run(
        ["git", *identity, "commit", "--quiet", "--all", "-m", "x"], cwd=folder, check=True
    )


@pytest.mark.parametrize(
    ("path", "old", "new", "node", "told"),
    [
        ("AGENTS.md", "must add up", "may add up", "plan", "does not show 'must add up'"),
        (
            "tinybill/invoice.py",
            "    tax_rate: Decimal = Decimal(0)\n",
            "    tax_rate: Decimal = Decimal('0')\n",
            "code",
            "str_replace tinybill/invoice.py fails",
        ),
        (
            "tests/test_examples.py",
            "self.assertEqual(sum(parts), total)",
            "self.assertAlmostEqual(sum(parts), total, 1)",
            "review",
            "goes on with the fixer, but the reviewer asks",
        ),
    ],
)
async def test_a_changed_sample_is_noticed(
    data_dir: Path, settings: Settings, path: str, old: str, new: str, node: str, told: str
) -> None:
    sample = make_sample(data_dir / "sample")
    commit(sample, path, old, new)
    async with open_stage(data_dir, sample, settings, live=False) as stage:
        code, drawn = await played(stage)
    assert code == 1
    check_complaint(drawn, node, told)


async def test_a_changed_request_is_noticed(data_dir: Path, settings: Settings) -> None:
    sample = make_sample(data_dir / "sample")
    async with open_stage(data_dir, sample, settings, live=False) as stage:
        code, drawn = await played(stage, "Print invoices in colour.")
    assert code == 1
    check_complaint(drawn, "plan", "The planner should be told 'Let an invoice carry")


def check_complaint(drawn: Drawn, node: str, told: str) -> None:
    error = drawn.events[-1]["error"]
    assert drawn.nodes()[-1] == (node, "error")
    assert error["code"] == "claude_rejected"
    assert "The replay no longer fits" in error["message"]
    assert told in error["message"]
    assert "demo/script/story.py" in error["message"]


@pytest.fixture
def environment(data_dir: Path) -> Iterator[Mapping[str, str]]:
    """An environment whose temporary folder is looked at afterwards: the demo leaves nothing."""
    temporary = data_dir / "temporary"
    temporary.mkdir()
    temporary.chmod(0o711)
    yield {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(data_dir),
        "TMPDIR": str(temporary),
        "PYTHONPATH": str(ROOT),
    }
    left = list(temporary.iterdir())
    shutil.rmtree(temporary)
    assert not left


async def test_without_a_sandbox_it_says_how_to_fix(environment: Mapping[str, str]) -> None:
    nobody = f"unix://{environment['TMPDIR']}/nobody-listens"
    env = {**environment, "CODING_AGENT_SANDBOX": "docker", "DOCKER_HOST": nobody}
    demo = await WarmCommand.started("demo", env=env, folder=ROOT, drives=True)
    out, _ = await demo.communicate()
    assert demo.returncode == 1
    assert re.search(rb"sudo (systemctl start docker|apt-get .*install)|Install it: https://", out)


async def test_ctrl_c_ends_it_without_a_trace(environment: Mapping[str, str]) -> None:
    demo = await WarmCommand.started("demo", env=environment, folder=ROOT, drives=True)
    async with asyncio.timeout(60):
        while b"prepare" not in (line := await demo.stdout.readline()):
            assert line, "it ended before it began"
        demo.send_signal(signal.SIGINT)
        _, errors = await demo.communicate()
    assert demo.returncode == 130
    assert errors == b""
