"""What holds for every run whose machines were taken away."""

from collections import Counter
from typing import Final

from tests.modal.deployment import Deployment
from tests.support.polling import until
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run
from tests.support.whole_runs.steady_claude import SteadyClaude

KINDS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)

HOSTS: Final = {"CODING_AGENT_SETUP_HOSTS": "index.example"}
"""A setting with which set-up turns are taken."""
LONG_S: Final = 150.0
"""For what takes some seconds on a machine that does nothing else."""


async def happened(run: Run, kind: str, count: int = 1, **fields: object) -> None:
    """Wait until the `count`-th event of a type with these fields is told."""

    def told() -> int:
        return sum(fields.items() <= event.items() for event in run.of(kind))

    await until(lambda: told() >= count, within_s=LONG_S)


async def check_run(
    deployment: Deployment, run: Run, repo: Hosted, claude: SteadyClaude, *, lost: int
) -> None:
    """It succeeded, and did and told all of it once; `lost` answers at most were on their way."""
    await deployment.check(run)
    assert run.end["status"] == "succeeded", run.end
    check_bill(run, claude, lost=lost)
    check_once(run)
    assert len(repo.pulls) == 1
    assert len(repo.branches) == 1


def check_bill(run: Run, claude: SteadyClaude, *, lost: int) -> None:
    """Each answer is reported once, as it was sent last; and each that was cut off, as far as it is
    known or can be reckoned."""
    asked = claude.of(run.prompt)
    sent = Counter(
        (question.role, *(usage[-1][kind] for kind in KINDS)) for question, usage in asked.items()
    )
    whole = [event for event in run.of("usage") if event["replies"]]
    told = Counter((event["role"], *(event[kind] for kind in KINDS)) for event in whole)
    assert told == sent, (told - sent, sent - told)
    begun = [question for question in claude.begun if question.prompt == run.prompt]
    cut_off = len(run.of("usage")) - len(whole)
    assert len(begun) - len(whole) <= cut_off <= lost


def check_once(run: Run) -> None:
    """What was done is told once, whoever tells it."""
    calls = [event["callId"] for event in run.of("tool.finished")]
    assert sorted(calls) == sorted({event["callId"] for event in run.of("tool.started")})
    assert len(set(calls)) == len(calls)
    for kind in ("plan.ready", "pr.created"):
        assert len(run.of(kind)) == 1, kind
    attempts = [event["attempt"] for event in run.of("run.finished")]
    assert attempts == list(range(1, len(attempts) + 1))
