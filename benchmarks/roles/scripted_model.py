"""Models that behave like real ones: what they do next follows from what they have seen."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from benchmarks.roles.tasks import REPRODUCE, TEST, BenchTask, mark_of, path_of
from demo.script.asking_role import count_replies, find_role, submit
from demo.script.reply_stream import Block, text, tool_use
from tests.standins.messages_api.scripted_reply import ScriptedReply

Request = dict[str, Any]
_SENTENCE: Final = "I look at what the parts do with the goal and say what follows from it. "
_TOKEN: Final = 4
_EDITOR: Final = "str_replace_based_edit_tool"
LOOK: Final = "ls -a; git log --oneline | head -3; grep -rn GOAL --include=*.py . | head -30"
SUBMIT: Final = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"


class RolesModel:
    """The model behind the four roles: it reads what it was not given, and nothing twice.

    `beside`: where its work needs no further look, it ends beside its last calls.
    """

    def __init__(self, task: BenchTask, *, beside: bool) -> None:
        self._task = task
        self._beside = beside
        self._said = _words(task.said * task.steps // (task.steps - beside))
        self._ids = _ids()
        self._rounds = 0

    def reply(self, request: Request) -> ScriptedReply:
        role = find_role(request)
        if role == "planner":
            return self._plan(count_replies(request))
        if role == "reviewer":
            return self._review(count_replies(request))
        if role == "fixer":
            return self._fix(count_replies(request))
        return self._code(request)

    def _plan(self, done: int) -> ScriptedReply:
        batches, said = self._task.planned_batches, self._said
        if done < len(batches):
            return self._calls(said, *(_cat(number) for number in batches[done]))
        return _end(
            said,
            submit(
                summary="Set the goal and let the parts follow. " * 4,
                route="full" if self._task.kind != "A easy" else "short",
                steps=[f"Change what {path_of(n)} does with the goal." for n in range(4)],
                files=[path_of(number) for number in range(self._task.tries[-1])],
                validate=[],
            ),
        )

    def _code(self, request: Request) -> ScriptedReply:
        task, seen = self._task, json.dumps(request["messages"])
        unread = [number for number in range(task.again) if mark_of(number) not in seen]
        for batch in task.coded_batches:
            if new := [number for number in batch if mark_of(number) not in seen]:
                return self._calls(self._said, *map(_cat, [*unread, *new]), REPRODUCE)
        tried = sum(_edit_mark(attempt) in seen for attempt in range(len(task.tries)))
        answer = submit(title="Set the goal", summary="The parts follow it. " * 6)
        if tried == len(task.tries):
            return _end(self._said, answer)
        calls = (text(self._said), *self._attempt(tried), self._call(TEST))
        ends = self._beside and tried + 1 == len(task.tries)
        return ScriptedReply((*calls, answer) if ends else calls)

    def _review(self, done: int) -> ScriptedReply:
        round_ = self._rounds
        said = _words(self._task.review_said)
        if done + 1 < self._task.reviews[round_]:
            return self._calls(said, REPRODUCE)
        self._rounds += 1
        objects = self._rounds < len(self._task.reviews)
        finding = {
            "severity": "error",
            "path": path_of(0),
            "line": 3,
            "message": "Two callers that come at once both set the goal, and one of them is lost.",
        }
        return _end(
            said,
            submit(
                verdict="request_changes" if objects else "approve",
                summary="It does what was asked. " * 4,
                findings=[finding] if objects else [],
            ),
        )

    def _fix(self, done: int) -> ScriptedReply:
        answer = submit(title="Set the goal", summary="Callers may come at once. " * 6)
        if done:
            return _end(self._said, answer)
        edit = self._edit(0, len(self._task.tries), 1, 2)
        calls = (text(self._said), edit, self._call(TEST))
        return ScriptedReply((*calls, answer) if self._beside else calls)

    def _attempt(self, attempt: int) -> Iterator[Block]:
        """All edits of one attempt; those of all but the last make the tests fail."""
        last = attempt + 1 == len(self._task.tries)
        for number in range(self._task.tries[attempt]):
            old = 0 if attempt == 0 or number >= self._task.tries[attempt - 1] else -1
            yield self._edit(number, attempt, old, 1 if last else -1)

    def _edit(self, number: int, attempt: int, old: int, new: int) -> Block:
        arguments = {
            "command": "str_replace",
            "path": path_of(number),
            "old_str": f"GOAL = {old}\n",
            "new_str": f"GOAL = {new}\n{_comment(attempt, self._task.edit)}",
        }
        return tool_use(_EDITOR, arguments, next(self._ids))

    def _calls(self, said: str, *commands: str) -> ScriptedReply:
        return ScriptedReply((text(said), *map(self._call, commands)))

    def _call(self, command: str) -> Block:
        return tool_use("bash", {"command": command}, next(self._ids))


class SingleLoopModel:
    """The model behind one loop with one tool; `together`: as many calls a reply as the roles."""

    def __init__(self, task: BenchTask, *, together: bool) -> None:
        self._ids = _ids()
        batches = _work(task)
        self._batches = batches if together else [[call] for batch in batches for call in batch]
        self._said = _words(task.said * task.steps // len(self._batches))

    def reply(self, request: Request) -> ScriptedReply:
        commands = self._batches[min(count_replies(request), len(self._batches) - 1)]
        calls = (tool_use("bash", {"command": each}, next(self._ids)) for each in commands)
        return ScriptedReply((text(self._said), *calls))


def _work(task: BenchTask) -> list[list[str]]:
    """The commands of one loop over the same work, those together that the roles send together."""
    batches = [[LOOK]]
    batches += [[_cat(number) for number in batch] for batch in task.planned_batches]
    batches += [[*(_cat(number) for number in batch)] for batch in task.coded_batches]
    batches[-1].append(REPRODUCE)
    for attempt, edits in enumerate(task.tries):
        last = attempt + 1 == len(task.tries)
        olds = [0 if attempt == 0 or n >= task.tries[attempt - 1] else -1 for n in range(edits)]
        new = 1 if last else -1
        commands = [_sed(n, attempt, old, new, task.edit) for n, old in enumerate(olds)]
        batches.append([*commands, TEST])
    return [*batches, [SUBMIT]]


def _sed(number: int, attempt: int, old: int, new: int, size: int) -> str:
    return (
        f"python3 - <<'EOF'\nfrom pathlib import Path\npath = Path('{path_of(number)}')\n"
        "text = path.read_text()\npath.write_text(text.replace("
        f"'GOAL = {old}\\n', '''GOAL = {new}\n{_comment(attempt, size)}'''))\nEOF"
    )


def _cat(number: int) -> str:
    return f"cat {path_of(number)}"


def _edit_mark(attempt: int) -> str:
    return f"# Attempt {attempt} sets it:"


def _comment(attempt: int, size: int) -> str:
    line = "# the parts that follow the goal take it from here and nowhere else.\n"
    return f"{_edit_mark(attempt)}\n{line * max(1, size * _TOKEN // len(line))}"


def _words(tokens: int) -> str:
    return (_SENTENCE * (tokens * _TOKEN // len(_SENTENCE) + 1))[: tokens * _TOKEN]


def _end(said: str, answer: Block) -> ScriptedReply:
    return ScriptedReply((text(said), answer))


def _ids() -> Iterator[str]:
    return (f"toolu_{number:06d}" for number in count())
