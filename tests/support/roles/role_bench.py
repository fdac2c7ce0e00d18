"""What the tests of roles share: a task, ears for events, and a small role of their own."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Literal

from graph import RetryPolicy
from graph.errors import RoleError
from graph.events import Event
from graph.files.run_folder import RunFolder
from graph.spending import Budget, Spend
from graph.tasks import RoleTask
from graph.values import Base, RoleName
from roles.briefing.request_pictures import load_pictures
from roles.claude.client import Claude
from roles.conversation.answer_tool import Answer, AnswerTool
from roles.conversation.loop_detector import TreeDigest
from roles.conversation.opening import Opening
from roles.conversation.role_spec import RoleSpec
from roles.conversation.session import Session, SessionEnd
from roles.conversation.user_messages import Inbox
from roles.tools.bash import BashTool
from roles.tools.text_editor import EditorTool
from roles.tools.toolbox import Toolbox
from roles.transcript.transcript import Transcript
from roles.worktree.tree_digest import TreeView
from roles.worktree.write_fence import FileWriteFence
from sandbox.core.protocol import Sandbox
from tests.standins.claude import Block, ScriptedReply, thinking, tool_use
from tests.standins.messages_api.server import MessagesServer

KEY = "sk-ant-api03-Zx_4/+tests~only==aa"
MODEL = "claude-opus-5-5"
RUN = "01run"
FILES = {"calc.py": "def add(a, b):\n    return a - b\n", "README.md": "A calculator.\n"}

Serve = Callable[..., AbstractAsyncContextManager[tuple[MessagesServer, Claude]]]


class Ears:
    """Hears what is emitted, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._heard = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._heard.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        """Listen until it is enough."""
        while not enough():
            self._heard.clear()
            await self._heard.wait()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event.data() for event in self.events if event.type == kind]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def keys(self) -> list[str]:
        return [event.key for event in self.events]


def make_task(base: Base, role: RoleName = "coder", **changes: Any) -> RoleTask:
    """A task of the test's run with an hour and five dollars, unless changed."""
    budget = Budget(
        max_cost_usd=changes.pop("max_cost_usd", 5.0),
        max_tokens=changes.pop("max_tokens", None),
        deadline=time.time() + changes.pop("seconds", 3600.0),
        spent=changes.pop("spent", Spend()),
    )
    fields: dict[str, Any] = {
        "run_id": RUN,
        "role": role,
        "step": 1,
        "fence": 1,
        "prompt": "Make add add.",
        "base": base,
        "budget": budget,
    }
    return RoleTask(**(fields | changes))


class Verdict(Answer):
    verdict: Literal["good", "bad"]
    why: str


JUDGE = AnswerTool("judge", "verdict: whether it adds. why: in a sentence.", Verdict)
DONE = ScriptedReply((tool_use("judge", {"verdict": "good", "why": "It adds."}),))
SPEC = RoleSpec(system="You judge.", answer=JUDGE, max_turns=20)


def think_and(*blocks: Block) -> ScriptedReply:
    return ScriptedReply((thinking("Let me look."), *blocks))


def transcript(runs: Path, task: RoleTask) -> Transcript:
    folder = RunFolder.of(runs, RUN)
    return Transcript(
        folder.transcript(task.step, task.role), FileWriteFence(folder.root, task.fence)
    )


def results(server: MessagesServer, request: int = -1) -> list[dict[str, Any]]:
    """The tool results at a request's end."""
    content = server.requests[request]["messages"][-1]["content"]
    return [block for block in content if block["type"] == "tool_result"]


class Bench:
    """Everything that a conversation with the small role needs but Claude."""

    def __init__(
        self, runs: Path, task: RoleTask, sandbox: Sandbox, ears: Ears, retry_policy: RetryPolicy
    ) -> None:
        self.runs, self.task, self.sandbox = runs, task, sandbox
        self.ears, self.retry_policy = ears, retry_policy

    async def run(
        self,
        claude: Claude,
        *,
        task: RoleTask | None = None,
        spec: RoleSpec[Verdict] = SPEC,
        model: str = MODEL,
        opening: str = "Judge calc.py.",
        tree: TreeDigest | None = None,
        view: TreeView | None = None,
    ) -> SessionEnd[Verdict]:
        """One role call from its transcript, new or found."""

        async def say() -> str:
            return opening

        task = task or self.task
        session = Session(
            spec,
            task=task,
            model=model,
            claude=claude,
            toolbox=Toolbox(BashTool(self.sandbox), EditorTool(self.sandbox)),
            transcript=transcript(self.runs, task),
            inbox=Inbox(self.runs / RUN, task.role, self.ears),
            emit=self.ears,
            retry_policy=self.retry_policy,
            tree=TreeView(digest=tree, notices=lambda: "") if tree else view,
        )
        folder = RunFolder.of(self.runs, RUN).pictures
        return await session.run(
            Opening(say, pictures=partial(load_pictures, folder, task.pictures))
        )


def ended_by(end: SessionEnd[Any], kind: type[RoleError], words: str = "") -> None:
    """Check that a conversation came to no answer within its turns, and why."""
    assert (end.answer, end.stopped) == (None, "turns")
    assert isinstance(end.error, kind)
    assert words in end.error.message
