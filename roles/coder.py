"""The coder: makes the planned change in the live tree."""

from collections.abc import Sequence
from typing import Final

from graph import Plan, RoleTask
from roles import shared_conversation as shared
from roles.briefing import sections as briefing
from roles.briefing.agent_instructions import read_instructions
from roles.briefing.excerpts import read_excerpts
from roles.briefing.pull_so_far import describe_pull_request
from roles.changing_role import ChangingRole
from roles.conversation.answer_tool import InvalidAnswer
from roles.conversation.opening import Opening
from roles.conversation.role_spec import RoleSpec
from roles.transcript.predecessor import Predecessor
from roles.transcript.transcript import AssistantMessage, Message
from sandbox import Sandbox

INSTRUCTIONS: Final = """\
Now carry the plan out. Your tree is a new one of the base; it is what is handed over.
- A fault: see it fail first, by a test or a script, fix it, see it pass, then try neighbours \
and edge cases. A feature: begin with an example of its use.
- Read what you change, and who uses it. Where the code shows that the plan is wrong, do what the \
request needs and say so.
- Keep to the repository's style. Change what the request needs and nothing else: no clean-up, \
layer or option that nobody asked for.
- Bring tests that fail without the change, and documentation. Never weaken, skip or delete a \
test to make it pass. Serve all inputs, not only those of tests.
- Run the checks, and fix what you broke. What failed before is not yours; name what cannot run.
- Leave no scratch files or build results; do not commit.
"""

SPEC: Final = RoleSpec(
    system=shared.PROMPT,
    instructions=INSTRUCTIONS,
    answer=shared.CHANGE,
    follows=shared.ROLES,
    shared=shared.TOOLS,
    max_turns=150,
    changes=True,
)


class ClaudeCoder(ChangingRole):
    """Codes in the live tree."""

    spec = SPEC

    def _opening(self, task: RoleTask, sandbox: Sandbox) -> Opening:
        async def begin() -> str:
            return briefing.join(
                INSTRUCTIONS,
                briefing.request(task),
                await describe_pull_request(self.runs, task),
                briefing.plan(task.plan),
                briefing.limits(self.command_timeout_s),
                briefing.checks(task),
                briefing.setup(task),
                briefing.changelog(task),
                *await read_instructions(
                    sandbox, task.base.trusted_base.tree, _planned_files(task)
                ),
                await read_excerpts(sandbox, task.base.tree, task.plan.ranges if task.plan else ()),
            )

        async def go_on(before: Predecessor) -> str:
            facts = (
                "" if _is_planned(before.conversation, task.plan) else briefing.plan(task.plan),
                briefing.checks(task),
                briefing.setup(task),
                briefing.changelog(task),
                *await read_instructions(
                    sandbox, task.base.trusted_base.tree, _planned_files(task)
                ),
            )
            return briefing.join(INSTRUCTIONS, *briefing.unsaid(before.conversation, *facts))

        return Opening(begin, go_on)


def _is_planned(conversation: Sequence[Message], plan: Plan | None) -> bool:
    """Whether a plan is the newest that was submitted in the conversation, as it was."""
    said = (m.content for m in reversed(conversation) if isinstance(m, AssistantMessage))
    content = next((each for each in said if shared.PLAN.find(each)), None)
    if content is None or plan is None:
        return False
    try:
        return shared.PLAN.parse(content).plan() == plan
    except InvalidAnswer:
        return False


def _planned_files(task: RoleTask) -> tuple[str, ...]:
    return task.plan.files if task.plan else ()
