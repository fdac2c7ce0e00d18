"""A long result that is in the conversation already is referred to."""

from pathlib import Path

from roles.conversation.repeated_results import ConversationResults, SeenResults
from roles.transcript.transcript import AssistantMessage, CallRecord, Message, UserMessage
from tests.standins.claude import Block, ScriptedReply, calls, tool_use
from tests.standins.directory_sandbox import DirectorySandbox
from tests.support.roles.role_bench import (
    DONE,
    Bench,
    Ears,
    Serve,
    results,
)

LONG = "".join(f"line {number}\n" for number in range(300))


def write_long(bench: Bench) -> Path:
    assert isinstance(bench.sandbox, DirectorySandbox)
    path = bench.sandbox.root / "long.txt"
    path.write_text(LONG)
    return path


async def test_same_long_result_is_given_once(serve: Serve, bench: Bench) -> None:
    write_long(bench)
    look = ["cat long.txt", "cat ./long.txt", "echo short"]
    turns = [calls(*look[:2]), calls("echo short"), calls("echo short"), calls("cat long.txt")]
    async with serve(*turns, DONE) as (server, claude):
        await bench.run(claude)
    first = [result["content"] for result in results(server, 1)]
    assert first[0] == LONG.rstrip()
    assert first[1] == (
        "[the same output as call 1 above, `cat long.txt`: all 2589 characters are unchanged, "
        "so they are not repeated]"
    )
    assert results(server, 3)[0]["content"] == "short"
    assert "as call 1 above" in results(server, 4)[0]["content"]
    told = [event["output"] for event in bench.ears.of("tool.finished")]
    assert told[0] == told[1] == told[-1] == LONG.rstrip()


async def test_changed_result_is_given_again(serve: Serve, bench: Bench) -> None:
    write_long(bench)
    edit = calls("sed -i 's/line 7$/line seven/' long.txt")
    view = ScriptedReply(
        (tool_use("str_replace_based_edit_tool", {"command": "view", "path": "long.txt"}),)
    )
    again = ScriptedReply((tool_use(view.content[0]["name"], view.content[0]["input"]),))
    third = ScriptedReply((tool_use(view.content[0]["name"], view.content[0]["input"]),))
    async with serve(view, edit, again, third, DONE) as (server, claude):
        await bench.run(claude)
    assert "line seven" in results(server, 3)[0]["content"]
    assert "as call 3 above, `view long.txt`" in results(server, 4)[0]["content"]


async def test_resumed_role_remembers(serve: Serve, bench: Bench) -> None:
    write_long(bench)
    task = bench.task
    async with serve(calls("cat long.txt"), calls("cat long.txt"), DONE) as (server, claude):
        bench.task = task.model_copy(
            update={"budget": task.budget.model_copy(update={"max_tokens": 3_000})}
        )
        assert (await bench.run(claude)).stopped == "tokens"
        bench.task, bench.ears = task, Ears()
        assert (await bench.run(claude)).answer
    assert "as call 1 above" in results(server, -1)[0]["content"]


def said(number: int, content: str) -> list[Message]:
    """One call whose result was seen in full."""
    call: Block = {
        "type": "tool_use", "id": f"t{number}", "name": "bash", "input": {"command": f"c{number}"},
    }  # fmt: skip
    record = CallRecord(ok=True)
    SeenResults().refer_or_keep(call, content, record)
    reply = AssistantMessage(
        content=[call],
        attempt=1,
        stop_reason="tool_use",
        usage={},
        model="m",
    )
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": content}
    return [reply, UserMessage(purpose="results", content=[result], calls=[record])]


def test_cleared_result_is_given_again() -> None:
    messages = [*said(1, LONG), *said(2, LONG + "more")]
    call: Block = {"type": "tool_use", "id": "t3", "name": "bash", "input": {"command": "c"}}
    for cleared, one, two in ((0, False, False), (1, True, False), (2, True, True)):
        for content, whole in ((LONG, one), (LONG + "more", two)):
            seen = ConversationResults().see(messages, cleared)
            assert (seen.refer_or_keep(call, content, CallRecord(ok=True)) == content) is whole


def test_results_are_those_of_the_conversation_as_it_grows_and_of_no_other() -> None:
    messages = [message for number in range(1, 6) for message in said(number, f"{number}" + LONG)]
    growing = ConversationResults()
    for cleared in (0, 2):
        for end in range(2, len(messages) + 1, 2):
            seen = growing.see(messages[:end], cleared)
            assert seen == ConversationResults().see(messages[:end], cleared)
            seen.refer_or_keep(
                {"type": "tool_use", "name": "b", "input": {}}, LONG, CallRecord(ok=True)
            )
    other = said(1, "other" + LONG)
    assert growing.see(other, 2) == ConversationResults().see(other, 2)
