"""Reports of replies of the model that are broken, empty, cut off, repeated or late."""

from dataclasses import replace
from typing import Final

from tests.e2e.replays.report import (
    EDITOR,
    Report,
    coder,
    greets,
    nothing_is_opened,
    says,
)
from tests.standins.claude import HttpError, ScriptedReply, answer, tool_use
from tests.support.whole_runs.claude_script import MORNING, shell
from tests.support.whole_runs.hosted_repository import Hosted
from tests.support.whole_runs.service_client import Run

_OVERLOADED: Final = HttpError(529, "overloaded_error")


def _was_ended_early(run: Run, repo: Hosted) -> None:
    assert len(run.of("tool.started")) < 60


def _under_the_ceiling(run: Run, repo: Hosted) -> None:
    assert 0 < run.end["costUsd"] <= 0.5


def _is_not_run(run: Run, repo: Hosted) -> None:
    assert all(event["tool"] != EDITOR for event in run.of("tool.started"))
    greets(run, repo)


def _goes_on(run: Run, repo: Hosted) -> None:
    assert len(run.of("retry")) == 3
    assert len(run.of("tool.finished")) == 1
    greets(run, repo)


def _each_is_answered(run: Run, repo: Hosted) -> None:
    assert [event["ok"] for event in run.of("tool.finished")] == [False, False, False, True]
    greets(run, repo)


REPLIES: Final = (
    Report(
        "modelscope/evalscope#1715",
        "A model that gave the same call again and again was let go on to the last step.",
        coder(*[shell("cat greet.py") for _ in range(70)], reviewer=[]),
        _was_ended_early,
        status="failed",
    ),
    Report(
        "Abilityai/trinity#1155",
        "Nothing held a loop to a sum of money before the next request was paid.",
        coder(shell(MORNING), *[shell(f"echo {n}", output_tokens=4000) for n in range(40)]),
        _under_the_ceiling,
        status="budget_exhausted",
        fields={"maxCostUsd": 0.5},
    ),
    Report(
        "anthropics/claude-code#41911",
        "An answer 529 ended the agent, and with it all that it had done.",
        coder(_OVERLOADED, shell(MORNING), _OVERLOADED, _OVERLOADED),
        _goes_on,
    ),
    Report(
        "simonw/llm#1104",
        "A call of a tool that does not exist ended the program.",
        coder(
            ScriptedReply(
                (
                    tool_use("no_such_tool", {"command": "ls"}),
                    tool_use("bash", {"cmd": "ls"}),
                    tool_use(EDITOR, {"command": "fly", "path": "greet.py"}),
                    tool_use("bash", {"command": MORNING}),
                )
            )
        ),
        _each_is_answered,
    ),
    Report(
        "mozilla-ai/clawbolt#190",
        "A call whose input is not as its form says ended the program.",
        coder(
            ScriptedReply(
                (
                    tool_use("bash", {}),
                    tool_use("bash", {"command": ["ls"]}),
                    tool_use(EDITOR, {"command": "view", "path": 7}),
                    tool_use("bash", {"command": MORNING}),
                )
            )
        ),
        _each_is_answered,
    ),
    Report(
        "anomalyco/opencode#18108",
        "A call that was cut off at the longest reply was run, or ended the conversation.",
        coder(
            ScriptedReply(
                (
                    tool_use(
                        EDITOR, {"command": "create", "path": "greet.py", "file_text": "def gre"}
                    ),
                ),
                stop_reason="max_tokens",
            ),
            shell(MORNING),
        ),
        _is_not_run,
    ),
    Report(
        "cynative/cynative#271",
        "An empty reply was taken for the answer, and all work was thrown away.",
        coder(shell(f"{MORNING}; echo over"), ScriptedReply(())),
        says("over"),
    ),
    Report(
        "google-gemini/gemini-cli#15580",
        "The agent reset the tree in a conflict, and its work was lost and told as done.",
        coder(shell(f"{MORNING}; git add -A; git reset -q --hard"), reviewer=[]),
        nothing_is_opened,
        status="no_changes",
    ),
)


def long_answer(summary: str) -> ScriptedReply:
    """An answer of a coder that counts as a short one."""
    said = answer(title="Greet in the morning", summary=summary)
    return replace(said, output_tokens=500)
