"""Claude itself: what a request may ask for, and two bundled tasks of `eval`."""

import json
from typing import Any, Final

from benchmarks.live.trial import Account, Trial
from graph.errors import ClaudeError
from roles import shared_conversation
from roles.claude import Claude, cost_usd
from roles.claude.reply import AttemptFailed, Reply
from roles.conversation.opening import text
from roles.tools.bash import BashTool
from roles.tools.text_editor import EditorTool
from roles.transcript.transcript import UserMessage
from roles.turns.context_editing import BETA
from roles.turns.model_request import RequestBuilder
from tests.support.whole_runs.evaluation_tasks import EMPTY, ROUNDING, write_tasks

EVAL_USD: Final = 1.5
_PADDING: Final = "This line only makes the prompt long enough to be cached. " * 200
_ASKED: Final = (
    f"{_PADDING}Call submit_change: title and summary are Hello, all is done, nothing is unchecked."
)
_TOOLS: Final = [
    *(BashTool.definition, EditorTool.definition),
    *(tool.definition for tool in shared_conversation.TOOLS),
]
_EDIT: Final = {
    "type": "clear_tool_uses_20250919",
    "trigger": {"type": "input_tokens", "value": 100_000},
    "keep": {"type": "tool_uses", "value": 8},
}


class _Deaf:
    """Hears nothing of a reply."""

    def report(self, usage: object) -> None: ...

    def begin_block(self) -> None: ...

    def add(self, kind: str, text: str) -> None: ...


async def try_requests(claude: Claude, model: str, trial: Trial) -> None:
    """Try each thing that the roles ask of the Messages API; some cents in all."""
    try:
        await claude.probe()
    except ClaudeError as error:
        trial.expect("a key is tried without cost", held=False, seen=error.message)
        return
    trial.expect("a key is tried without cost", held=True)
    first = await _ask(claude, model, trial, "what the roles send is taken, context editing too")
    again = await _ask(claude, model, trial, "the same prompt is taken again")
    if first and again:
        read = again.usage.cache_read_input_tokens
        trial.expect("the second time it is read from the cache", held=read > 1000, seen=read)
    try:
        usage = await claude.warm_cache(_body(claude.model_id(model), max_tokens=0))
    except AttemptFailed as failed:
        trial.expect("a request for no reply is taken", held=False, seen=failed)
        return
    trial.expect("a request for no reply is taken", held=True)
    trial.cost_usd += cost_usd(claude.model_id(model), usage) or 0.0


async def try_eval(account: Account, trial: Trial) -> None:
    """Run the bundled tasks by `coding-agent eval`, and grade them by their hidden tests."""
    tasks = write_tasks(account.folder, ROUNDING, EMPTY)
    out = account.folder / "predictions.jsonl"
    words = ("eval", str(tasks), "--out", str(out))
    code, _, errors = await account.command(*words, "--max-cost", str(EVAL_USD), "--workers", "2")
    trial.expect("eval runs the bundled tasks", held=code == 0, seen=errors[-300:])
    ledger = out.with_name("predictions.ledger.jsonl")
    if not ledger.exists():
        return
    rows = [json.loads(row) for row in ledger.read_text().splitlines()]
    for row in rows:
        name, status = row["instance_id"], row["status"]
        trial.expect(f"{name} comes to a change", held=status == "succeeded", seen=status)
        trial.cost_usd += row["cost_usd"] or 0.0
    code, _, errors = await account.command(*words, "--grade")
    trial.expect("eval grades them", held=code == 0, seen=errors[-300:])
    grades = out.with_name("predictions.grades.json")
    told = json.loads(grades.read_text()) if grades.exists() else {}
    solved = told.get("resolved_ids", [])
    names = sorted(row["instance_id"] for row in rows)
    trial.expect("hidden tests pass on every change", held=sorted(solved) == names, seen=solved)


async def _ask(claude: Claude, model: str, trial: Trial, what: str) -> Reply | None:
    try:
        reply = await claude.attempt(
            _body(claude.model_id(model), max_tokens=2000), _Deaf(), (BETA,)
        )
    except AttemptFailed as failed:
        trial.expect(what, held=False, seen=failed)
        return None
    trial.expect(what, held=True)
    trial.cost_usd += cost_usd(claude.model_id(model), reply.usage) or 0.0
    return reply


def _body(model: str, *, max_tokens: int) -> bytes:
    """What coder and fixer send; where a reply is asked for, with old results cleared."""
    requests = RequestBuilder(
        model=model, system=shared_conversation.PROMPT, tools=_TOOLS, effort="low"
    )
    said = UserMessage(purpose="opening", content=[text(_ASKED)])
    request: dict[str, Any] = json.loads(requests.build([said], max_tokens).body)
    if max_tokens:
        request["context_management"] = {"edits": [_EDIT]}
    return json.dumps(request).encode()
