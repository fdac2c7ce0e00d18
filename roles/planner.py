"""The planner: reads the repository and says what to do, or that there is nothing to do."""

import posixpath
from collections.abc import Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final

from graph import Emit, Environment, PlannerResult, RoleTask, repo_of
from roles import shared_conversation as shared
from roles.base import ClaudeRole
from roles.briefing import sections as briefing
from roles.briefing.agent_instructions import read_instructions
from roles.briefing.contribution_rules import (
    NO_RULES,
    ContributionRules,
    read_contribution_rules,
)
from roles.briefing.pull_so_far import describe_pull_request
from roles.briefing.repository_overview import describe_repository
from roles.conversation.opening import Opening
from roles.conversation.role_spec import RoleSpec
from roles.shared_conversation import PlanAnswer
from roles.tools.bash import BashTool
from roles.tools.text_editor import EditorTool
from roles.tools.toolbox import Toolbox
from roles.transcript.predecessor import Predecessor
from sandbox import DeferredSandbox, ReplacedSandbox, Sandbox, TreeSpec
from sandbox.tree import PLAN

INSTRUCTIONS: Final = """\
Plan the change first. Your tree is thrown away, so change nothing. Read only what you need to be \
sure which files change, how, and how it is checked. A small and clear request needs no looking \
around: where it and what is shown with it say what to change, submit the plan at once. Plan what \
is asked and no more.
"""

_ANEW: Final = (
    "Whoever codes begins anew, without what you have read: name the `ranges` that they must see."
)
_READY: Final = f"{PLAN}-ready"


SPEC: Final = RoleSpec(
    system=shared.PROMPT,
    instructions=INSTRUCTIONS,
    answer=shared.PLAN,
    follows=shared.ROLES,
    shared=shared.TOOLS,
    max_turns=40,
)


class ClaudePlanner(ClaudeRole):
    """Plans in a tree of its own, which is thrown away; the files come while it is asked.

    It does not wait for what is made ready beside it: its commands find that once it is there.
    """

    spec = SPEC
    result = PlannerResult

    async def __call__(self, task: RoleTask, emit: Emit) -> PlannerResult:
        tree = TreeSpec(name=PLAN, base=task.base, emit=emit)
        bare = await self.sandboxes.open(task.run_id, replace(tree, checkout=False))
        names = [PLAN]
        rules = NO_RULES if task.base.writable else await _read_rules(task, bare)
        spec = replace(SPEC, answer=shared.PLAN.with_rule(partial(_find_fault, rules)))
        whole = self._open_whole(task, tree, names)
        try:
            tools = Toolbox(BashTool(whole), EditorTool(whole, read_only=True))
            end = await self._converse(spec, task, tools, self._opening(task, bare, rules), emit)
        finally:
            await whole.close()
            for name in names:
                await self.sandboxes.discard(task.run_id, name)
        if end.error:
            raise end.error
        answer = end.answer
        plan = answer.plan() if answer else None
        refusal = rules.find(answer.summary) if answer and answer.route == "refused" else ""
        reason = answer.summary.strip() if answer and plan is None and not refusal else ""
        return PlannerResult(
            plan=plan,
            reason=reason,
            refusal=refusal,
            spend=end.spend,
            stopped=end.stopped,
            shortfall=end.shortfall,
        )

    def _opening(self, task: RoleTask, sandbox: Sandbox, rules: ContributionRules) -> Opening:
        repo = task.base.full_name or task.base.address
        anew = _ANEW if task.approve_plan or self.coder_differs else ""

        async def begin() -> str:
            before = "You planned this before:" if task.feedback else ""
            return briefing.join(
                INSTRUCTIONS,
                anew,
                briefing.request(task),
                await describe_pull_request(self.runs, task),
                briefing.limits(self.command_timeout_s),
                briefing.checks(task),
                briefing.setup(task),
                briefing.changelog(task),
                *await read_instructions(sandbox, task.base.trusted_base.tree),
                rules.describe(),
                await describe_repository(sandbox, task.prompt, posixpath.basename(repo)),
                briefing.join(before, briefing.plan(task.plan)) if before else "",
                _wish(task),
            )

        async def go_on(before: Predecessor) -> str:
            facts = (INSTRUCTIONS, anew, briefing.setup(task))
            return briefing.join(*briefing.unsaid(before.conversation, *facts), _wish(task))

        return Opening(begin, go_on)

    def _open_whole(self, task: RoleTask, tree: TreeSpec, names: list[str]) -> Sandbox:
        """The tree for its commands: with the environment now, or as soon as that is ready.

        `names` gets that of a tree beside the plain one.
        """

        def open_ready(environment: Environment) -> Coroutine[Any, Any, Sandbox]:
            names.append(_READY)
            ready = replace(tree, name=_READY, environment=environment)
            return self.sandboxes.open(task.run_id, ready)

        if task.environment:
            return DeferredSandbox(open_ready(task.environment))
        plain = DeferredSandbox(self.sandboxes.open(task.run_id, tree))

        async def find() -> Coroutine[Any, Any, Sandbox] | None:
            record = await self.records.get(repo_of(task.base)) if self.records else None
            if record is None or (record.run_id, record.sha) != (task.run_id, task.base.sha):
                return None
            return open_ready(record.environment)

        return ReplacedSandbox(plain, find)


async def _read_rules(task: RoleTask, sandbox: Sandbox) -> ContributionRules:
    return await read_contribution_rules(sandbox, task.base.trusted_base.tree)


def _find_fault(rules: ContributionRules, answer: PlanAnswer) -> str:
    """Why a refusal cannot be taken: a sentence that the repository does not have."""
    if answer.route != "refused" or rules.find(answer.summary):
        return ""
    return (
        'route "refused" takes as summary a sentence of <contribution_rules>, word for word, and'
        " nothing else; without such a sentence plan the change"
    )


def _wish(task: RoleTask) -> str:
    if not task.feedback:
        return ""
    return f"The user asks you to plan again:\n<feedback>\n{task.feedback.strip()}\n</feedback>"
