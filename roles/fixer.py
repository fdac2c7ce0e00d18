"""The fixer: fixes what validation or review found, in the live tree."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from graph import Effort, RoleTask, RunFolder
from roles import shared_conversation as shared
from roles.briefing import sections as briefing
from roles.briefing.agent_instructions import read_instructions
from roles.briefing.change_diff import ChangeDiff
from roles.briefing.earlier_answers import load_earlier_answers
from roles.briefing.pull_so_far import describe_pull_request
from roles.briefing.untrusted_text import quote_untrusted
from roles.changing_role import ChangingRole
from roles.conversation.opening import Opening
from roles.conversation.role_spec import RoleSpec
from roles.transcript.predecessor import Predecessor
from sandbox import Sandbox

INSTRUCTIONS: Final = """\
Now fix the change, which is in your tree (`git diff HEAD`, `git status`): checks failed on it, \
or a reviewer objected.
- Find the cause: see the failure for yourself, then make the smallest change that does what the \
request asks. Where an earlier fix did not suffice, look for another cause.
- Fix the code, not the check: never weaken, skip or delete a test. Where one is wrong, correct \
it and say why.
- Fix each error finding, and others where that is cheap. Where one is mistaken, say why.
- What fails on the untouched base too is not yours.
- Run what failed, and what your edits can touch. Leave no scratch files; do not commit.
"""

SPEC: Final = RoleSpec(
    system=shared.PROMPT,
    instructions=INSTRUCTIONS,
    answer=shared.CHANGE,
    follows=shared.ROLES,
    shared=shared.TOOLS,
    max_turns=100,
    changes=True,
)

_AGAIN: Final = "Fix the change once more: the fix before did not suffice. Look for another cause."
_HARDER: Final[dict[Effort | None, Effort]] = {
    "low": "medium",
    "medium": "high",
    None: "high",
    "high": "xhigh",
    "xhigh": "max",
    "max": "max",
}
_MAX_DIFF: Final = 30_000
_MOST_EARLIER: Final = 8
_MAX_LINE: Final = 400


class ClaudeFixer(ChangingRole):
    """Fixes the change in the live tree."""

    spec = SPEC

    def _choose_effort(self, spec: RoleSpec[Any], task: RoleTask) -> Effort | None:
        """After a fix that did not help, a harder one."""
        effort = super()._choose_effort(spec, task)
        run = RunFolder.of(self.runs, task.run_id)
        return _HARDER[effort] if _follows_a_fix(task, run) else effort

    def _opening(self, task: RoleTask, sandbox: Sandbox) -> Opening:
        folder = RunFolder.of(self.runs, task.run_id)

        async def begin() -> str:
            diff = await ChangeDiff.load(folder.diff(task.change.step)) if task.change else None
            fixes = await asyncio.to_thread(
                load_earlier_answers, folder, "fixer", task.step, shared.CHANGE
            )
            return briefing.join(
                INSTRUCTIONS,
                briefing.request(task),
                await describe_pull_request(self.runs, task),
                briefing.plan(task.plan),
                briefing.limits(self.command_timeout_s),
                briefing.checks(task),
                briefing.setup(task),
                *await read_instructions(sandbox, task.base.trusted_base.tree, _paths(diff)),
                await briefing.diff(diff, _MAX_DIFF) if task.change else "",
                _earlier(fixes),
                _to_fix(task),
            )

        async def go_on(before: Predecessor) -> str:
            facts = (briefing.checks(task), briefing.setup(task))
            known = briefing.unsaid(before.conversation, INSTRUCTIONS, *facts)
            again = "" if INSTRUCTIONS in known else _AGAIN
            return briefing.join(again, *known, _to_fix(task))

        return Opening(begin, go_on)


def _paths(diff: ChangeDiff | None) -> list[str]:
    return [file.path for file in diff.files] if diff else []


def _follows_a_fix(task: RoleTask, run: RunFolder) -> bool:
    """Whether checks fail after a fix as they did before it."""
    failed = task.validation is not None and task.validation.status == "failed"
    return failed and run.transcript(task.step - 1, "fixer").exists()


def _to_fix(task: RoleTask) -> str:
    """What failed, what the reviewer wants, and what keeps the change from leaving."""
    review = task.review
    objected = review is not None and review.verdict != "approve"
    return briefing.join(
        briefing.failures(task.validation),
        briefing.findings("The reviewer asks for changes:", review.findings)
        if review and objected
        else "",
        briefing.findings("These rules block the change:", task.gate),
    )


def _earlier(fixes: Sequence[shared.ChangeAnswer]) -> str:
    """What was tried before, a line each."""
    if not fixes:
        return ""
    lines = [
        f"- {' '.join(f'{said.title}: {said.summary}'.split())}"[:_MAX_LINE]
        for said in fixes[-_MOST_EARLIER:]
    ]
    quoted = quote_untrusted("earlier_fixes", "\n".join(lines), _MOST_EARLIER * _MAX_LINE)
    return f"Earlier fixes, oldest first; they are in the change and did not suffice:\n{quoted}"
