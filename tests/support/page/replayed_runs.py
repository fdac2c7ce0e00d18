"""Runs that have already happened, put into a real store: events first, then the record's state."""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from graph.events import (
    ChangeUpdated,
    Event,
    NodeFinished,
    NodeStarted,
    PlanReady,
    PlanWaiting,
    PrCreated,
    ReviewFinished,
    RoleText,
    RunFinished,
    RunStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
    ValidationFinished,
)
from graph.spending import Usage
from graph.values import ChangedFile, CommandReport, NodeName, Plan, RoleName, Status
from runs.model.log_entry import entry
from runs.model.run import Run
from runs.model.run_id import new_run_id
from runs.store.protocol import Store

BASE_SHA: Final = "4f1d" * 10
MODELS: Final[dict[RoleName, str]] = dict.fromkeys(
    ("planner", "coder", "reviewer", "fixer"), "claude-opus-5-5"
)
PLAN: Final = Plan(
    summary="Reject negative amounts where they are parsed.",
    steps=(
        "Raise AmountError for amounts below zero in parse_amount.",
        "Tell the line of the amount in the error.",
        "Test zero, a negative amount and the error's line.",
    ),
    files=("ledger/amounts.py", "tests/test_amounts.py"),
)
CHECK: Final = "python -m pytest -q"
_PROMPTS: Final = (
    "Reject negative amounts in parse_amount and name the line",
    "Add a --json flag to the export command",
    "Fix the flaky date test that fails on the first of the month",
    "Cache the parsed schema between requests",
    "Let an invoice carry a discount in percent, shown on its own line",
    "Replace the hand-written retry loop by one policy",
    "Stop the importer at the first malformed row and tell its number",
    "Show the total of each category at the end of the report",
    "Read the time zone from the user's settings instead of the server's",
    "Close file handles when the archive is damaged",
)
_REPOS: Final = ("acme/ledger", "acme/storefront", "acme/importer", "lab/solver", "lab/notebook")
_OWNERS: Final = ("ann", "bela", "chi", "dario")
_ENDS: Final[tuple[tuple[Status, str | None], ...]] = (
    ("succeeded", None),
    ("succeeded", None),
    ("succeeded", None),
    ("incomplete", "fix_rounds_exhausted"),
    ("no_changes", "nothing_to_do"),
    ("failed", "claude_unavailable"),
    ("cancelled", None),
    ("budget_exhausted", None),
)


@dataclass(frozen=True)
class Replayed:
    """A run to be put into a store. Ages are seconds before now."""

    prompt: str
    events: Sequence[Event]
    status: Status = "succeeded"
    repo: str = "acme/ledger"
    owner: str = "ann"
    age_s: float = 0.0
    took_s: float = 240.0
    plan_id: str | None = None
    max_cost_usd: float = 5.0


async def replay(store: Store, run: Replayed) -> str:
    """Put a run into the store; its id."""
    begun = time.time() - run.age_s
    made = Run(
        run_id=new_run_id(),
        owner=run.owner,
        request={
            "repo_url": f"https://github.com/{run.repo}",
            "prompt": run.prompt,
            "max_cost_usd": run.max_cost_usd,
        },
        status=run.status,
        plan_id=run.plan_id,
        begun=True,
        created_at=begun,
        updated_at=begun + run.took_s,
    )
    pace = run.took_s / max(1, len(run.events))
    entries = tuple(
        replace(entry(event), time=begun + pace * number) for number, event in enumerate(run.events)
    )
    await store.create(made, None, lambda _: entries)
    return made.run_id


def started() -> list[Event]:
    """What every run begins with."""
    begin = RunStarted(
        repo_url="https://github.com/acme/ledger",
        prompt="",
        models=MODELS,
        version="1.0",
        attempt=1,
    )
    opened, ended = visit("prepare", ())
    return [begin, opened, ended.model_copy(update={"base_sha": BASE_SHA})]


def visit(
    node: NodeName, events: Iterable[Event], *, ends: bool = True, number: int = 1
) -> list[Event]:
    """One visit of a node."""
    end = NodeFinished(node=node, visit=number, outcome="ok", duration_ms=4_200)
    return [NodeStarted(node=node, visit=number), *events, *([end] if ends else [])]


def spent(role: RoleName, dollars: float) -> UsageReported:
    usage = Usage(input_tokens=900, output_tokens=400, cache_read_input_tokens=21_000)
    return UsageReported(
        role=role, model="claude-opus-5-5", usage=usage, cost_usd=dollars, run_cost_usd=None
    )


def called(number: int, command: str, output: str, exit_code: int = 0) -> list[Event]:
    """A command of the coder and what came of it."""
    call = f"call-{number}"
    return [
        ToolStarted(role="coder", call_id=call, tool="bash", input={"command": command}),
        ToolFinished(
            role="coder",
            call_id=call,
            ok=exit_code == 0,
            output=output,
            exit_code=exit_code,
            duration_ms=310,
        ),
    ]


def finished(status: Any, reason: str | None = None) -> RunFinished:
    return RunFinished(attempt=1, status=status, reason=reason, usage=Usage(), cost_usd=None)


def waiting_run(**fields: Any) -> Replayed:
    """A run whose plan waits for an answer."""
    planned: list[Event] = [
        RoleText(role="planner", text="I look at how amounts are parsed."),
        spent("planner", 0.04),
        PlanReady(plan_id="plan-1", plan=PLAN),
    ]
    asked = [PlanWaiting(plan_id="plan-1", plan=PLAN)]
    events = [*started(), *visit("plan", planned), *visit("approve", asked, ends=False)]
    given: dict[str, Any] = {"status": "waiting", "plan_id": "plan-1", "took_s": 20.0}
    return Replayed(**{"prompt": _PROMPTS[0], "events": events} | given | fields)


def edited(
    old: str = "    return Decimal(text)\n",
    new: str = "    amount = Decimal(text)\n    if amount < 0:\n"
    '        raise AmountError(f"line {line}: {text} is below zero")\n    return amount\n',
) -> list[Event]:
    """An edit of the coder."""
    given = {"command": "str_replace", "path": "ledger/amounts.py", "old_str": old, "new_str": new}
    tool = "str_replace_based_edit_tool"
    return [
        ToolStarted(role="coder", call_id="edit", tool=tool, input=given),
        ToolFinished(role="coder", call_id="edit", ok=True, output="Replaced.", duration_ms=40),
    ]


def running_run(
    *, node: NodeName = "code", events: Sequence[Event] = (), **fields: Any
) -> Replayed:
    """A run that is at one node."""
    said = [
        RoleText(role="coder", text="I read how amounts come in."),
        *called(1, "grep -rn parse_amount ledger tests", "ledger/amounts.py:12:def parse_amount"),
        *called(2, "python -m pytest -q tests/test_amounts.py", "17 passed in 0.21s"),
        RoleText(role="coder", text="The line is known where the row is read: I hand it on."),
        *events,
    ]
    planned: list[Event] = [spent("planner", 0.05), PlanReady(plan_id="plan-1", plan=PLAN)]
    begun = [
        *started(),
        *visit("plan", planned),
        *visit(node, [spent("coder", 0.22), *said], ends=False),
    ]
    given: dict[str, Any] = {"status": "running", "prompt": _PROMPTS[0], "took_s": 60.0}
    return Replayed(**{"events": begun} | given | fields)


def published_run(number: int, *, draft: bool = False) -> list[Event]:
    report = CommandReport(
        command=CHECK, exit_code=0, status="passed", duration_ms=9_100, counts="141 passed"
    )
    checked = ValidationFinished(
        status="passed", commands=(report,), new_failures=(), known_failures=()
    )
    files = (
        ChangedFile(path="ledger/amounts.py", added=9, removed=2),
        ChangedFile(path="tests/test_amounts.py", added=21, removed=0),
    )
    return [
        *started(),
        *visit("plan", [spent("planner", 0.05), PlanReady(plan_id="plan-1", plan=PLAN)]),
        *visit(
            "code",
            [spent("coder", 0.31), ChangeUpdated(digest=f"sha256:{number:064x}", files=files)],
        ),
        *visit("validate", [checked]),
        *visit("review", [spent("reviewer", 0.11), ReviewFinished(verdict="approve", findings=())]),
        *visit(
            "publish",
            [
                PrCreated(
                    url=f"https://github.com/acme/ledger/pull/{number}",
                    number=number,
                    branch=f"agent/change-{number}",
                    draft=draft,
                    head_repo="octo-agent/ledger",
                )
            ],
        ),
    ]


def many_runs(count: int, seed: int = 7) -> list[Replayed]:
    """Ended runs of all kinds, the oldest first."""
    choose = random.Random(seed)
    made = []
    for number in range(count):
        status, reason = choose.choice(_ENDS)
        published = status in ("succeeded", "incomplete")
        events = (
            published_run(400 + number, draft=status == "incomplete") if published else started()
        )
        made.append(
            Replayed(
                prompt=choose.choice(_PROMPTS),
                repo=choose.choice(_REPOS),
                owner=choose.choice(_OWNERS),
                status=status,
                events=[*events, finished(status, reason)],
                age_s=(count - number) * 3_300 + 900,
                took_s=choose.uniform(60, 1_500),
            )
        )
    return made
