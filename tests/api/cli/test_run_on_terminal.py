"""The command on a real terminal: drawing, the plan's question, Ctrl-C once and twice."""

import asyncio
import re
import signal
from pathlib import Path

import pytest

from tests.standins.servers.one_run_server import Answer, Request, problem
from tests.standins.servers.run_events import (
    PR_URL,
    RUN_ID,
    finished,
    node,
    whole_run,
)
from tests.standins.servers.scripted_run_server import WAITING, RunServer
from tests.support.command.command_process import terminal
from tests.support.polling import until

ORDER = ("run", "Add a flag", "--repo", "https://github.com/octocat/todo")
_APPROVED = [*node("approve", "approved", 900, [])[1:], finished("succeeded", prUrl=PR_URL)]
_REJECTED = [*node("approve", "rejected", 900, [])[1:], finished("rejected")]


def live(events: list[dict[str, object]]) -> list[dict[str, object]]:
    return [
        {name: value for name, value in event.items() if name not in {"seq", "runId", "time"}}
        for event in events
    ]


async def test_a_run_is_drawn_and_the_terminal_left_clean(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()))
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            assert await shown.ended() == 0
    assert f"pull request  {PR_URL}" in shown.text
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")
    kinds = set(re.findall(r"\x1b\[[0-9;?]*([A-Za-z])", shown.raw))
    assert kinds <= {"m", "A", "K", "h", "l"}


@pytest.mark.parametrize(
    ("keys", "sent", "code"),
    [
        (["what?\n", "YES\n"], {"decision": "approve"}, 0),
        (["r\n", "smaller please\n"], {"decision": "revise", "feedback": "smaller please"}, 0),
        (["revise no new option\n"], {"decision": "revise", "feedback": "no new option"}, 0),
        (["r\n", "\n", "n\n"], {"decision": "reject"}, 3),
    ],
)
async def test_the_plan_is_asked_about(
    keys: list[str], sent: dict[str, str], code: int, tmp_path: Path
) -> None:
    answers = {"approve": _APPROVED, "revise": _APPROVED, "reject": _REJECTED}
    server = RunServer(WAITING, on_plan=answers)
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[x] reject")
            for line in keys:
                shown.type(line)
            assert await shown.ended() == code
    assert "1. Parse the flag" in shown.text
    bodies = [request.body for request in server.requests if request.path.endswith("/plan")]
    assert bodies == [{"planId": "plan-1", **sent}]


async def test_a_plan_is_asked_about_again_below_what_comes_meanwhile(tmp_path: Path) -> None:
    server = RunServer(WAITING, on_plan={"approve": _APPROVED})
    sent = {"type": "message.received", "number": 1, "text": "Leave the API", "by": "ann"}
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[x] reject")
            await server.append(sent)
            await until(lambda: shown.text.count("[x] reject") == 2)
            shown.type("y\n")
            assert await shown.ended() == 0
    assert shown.text.index("Leave the API") < shown.text.rindex("[x] reject")


async def test_an_answer_that_does_not_fit_is_asked_for_again(tmp_path: Path) -> None:
    server = RunServer(WAITING, on_plan={"approve": _APPROVED})
    call = f"POST /runs/{RUN_ID}/plan"
    take = server.handlers[call]

    def refuse(_: Request) -> Answer:
        server.handlers[call] = take
        return problem(422, "invalid_request", "It does not fit.")

    server.handlers[call] = refuse
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[x] reject")
            shown.type("r Another way\n")
            await until(lambda: shown.text.count("[x] reject") == 2)
            shown.type("y\n")
            assert await shown.ended() == 0
    assert shown.text.index("does not fit") < shown.text.rindex("[x] reject")


@pytest.mark.slow
async def test_a_waiting_plan_rings_once_and_is_edited_in_the_persons_editor(
    tmp_path: Path,
) -> None:
    editor = tmp_path / "edit it"
    editor.write_text(
        "#!/bin/sh\nsed -i 's/^- Parse the flag/- Parse --json\\n- Print it/' \"$1\"\n"
    )
    editor.chmod(0o755)
    server = RunServer(WAITING, on_plan={"approve": _APPROVED})
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address, "VISUAL": f"'{editor}'"}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[e] edit")
            shown.type("e\n")
            assert await shown.ended() == 0
    (body,) = [request.body for request in server.requests if request.path.endswith("/plan")]
    assert (body["decision"], body["plan"]["steps"]) == ("approve", ["Parse --json", "Print it"])
    assert body["plan"]["summary"] == "Print JSON"
    assert shown.raw.count("\x07") == 1


@pytest.mark.slow
@pytest.mark.parametrize("editor", ["true", "false", "no-such-editor"])
async def test_an_editor_that_saves_nothing_leads_back_to_the_question(
    editor: str, tmp_path: Path
) -> None:
    server = RunServer(WAITING, on_plan={"reject": _REJECTED})
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address, "EDITOR": editor}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[e] edit")
            shown.type("e\n")
            await until(lambda: shown.text.count("[e] edit") == 2)
            shown.type("x\n")
            assert await shown.ended() == 3


async def test_a_line_typed_below_the_drawing_is_a_message(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]))
    sent = {"type": "message.received", "number": 1, "text": "Leave the API", "by": "ann"}

    def take(request: Request) -> Answer:
        server.follow_with(sent, finished("succeeded", prUrl=PR_URL))
        return Answer(202, {"runId": RUN_ID, "status": "running"})

    server.handlers[f"POST /runs/{RUN_ID}/messages"] = take
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            await shown.until("type a message to the run")
            assert not shown.echoes
            shown.type("Leave the ABI\x7f\x7f\x1b[DPI")
            await shown.until("> Leave the API")
            shown.type("\r")
            assert await shown.ended() == 0
            assert shown.echoes
    bodies = [request.body for request in server.requests if request.path.endswith("/messages")]
    assert bodies == [{"text": "Leave the API"}]
    assert "message 1 of ann  Leave the API" in shown.text


@pytest.mark.slow
async def test_a_message_that_is_not_taken_is_told(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]))

    def refuse(request: Request) -> Answer:
        server.follow_with(finished("succeeded", prUrl=PR_URL))
        return problem(409, "run_finished", "The run has ended.")

    server.handlers[f"POST /runs/{RUN_ID}/messages"] = refuse
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            await shown.until("type a message to the run")
            shown.type("Hello\r")
            assert await shown.ended() == 0
    assert "The message was not taken: The run has ended." in shown.text


@pytest.mark.slow
async def test_the_terminal_echoes_again_when_ctrl_c_leaves_at_once(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]))
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            await shown.until("type a message to the run")
            shown.type("\x03")
            await shown.until("Ctrl-C again leaves at once")
            shown.type("\x03")
            assert await shown.ended() == 130
            assert shown.echoes


async def test_an_answer_from_elsewhere_ends_the_question(tmp_path: Path) -> None:
    server = RunServer(WAITING)
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[x] reject")
            await server.append(*_APPROVED)
            assert await shown.ended() == 0
    assert not [request for request in server.requests if request.path.endswith("/plan")]


async def test_a_closed_input_says_how_to_answer_and_waits(tmp_path: Path) -> None:
    server = RunServer(WAITING)
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[x] reject")
            shown.type("\x04")
            await shown.until("coding-agent approve")
            assert shown.process.returncode is None
            await server.append(*_REJECTED)
            assert await shown.ended() == 3


async def test_ctrl_c_cancels_and_waits_for_the_end(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]), on_cancel=[finished("cancelled")])
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            await shown.until("I'll look")
            shown.type("\x03")
            assert await shown.ended() == 130
    assert f"POST /runs/{RUN_ID}/cancel" in server.calls()
    assert "Cancelled: nothing was published" in shown.text
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")


async def test_ctrl_c_while_a_run_is_begun_cancels_it_then(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]), on_cancel=[finished("cancelled")])
    server.held["POST /code"] = asyncio.Event()
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            await until(lambda: "POST /code" in server.calls())
            shown.type("\x03")
            await shown.until("Cancelling the run")
            server.held["POST /code"].set()
            assert await shown.ended() == 130
    assert f"POST /runs/{RUN_ID}/cancel" in server.calls()


async def test_ctrl_c_twice_leaves_at_once(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]))
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            await shown.until("I'll look")
            shown.type("\x03")
            await shown.until("Ctrl-C again leaves at once")
            shown.type("\x03")
            assert await shown.ended(timeout_s=20) == 130
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")


async def test_a_termination_signal_cancels_too(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()[:9]), on_cancel=[finished("cancelled")])
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--json", home=tmp_path, env=env) as shown:
            await shown.until("node.started")
            shown.process.send_signal(signal.SIGTERM)
            assert await shown.ended() == 130


async def test_ctrl_c_while_watching_leaves_the_run_alone(tmp_path: Path) -> None:
    server = RunServer([])
    await server.append(*live(whole_run()[:9]))
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal("watch", RUN_ID, home=tmp_path, env=env) as shown:
            await shown.until("I'll look")
            shown.type("\x03")
            assert await shown.ended() == 130
    assert f"coding-agent watch {RUN_ID}" in shown.text
    assert not any(call.endswith("/cancel") for call in server.calls())


async def test_ctrl_c_at_the_question_cancels(tmp_path: Path) -> None:
    server = RunServer(WAITING, on_cancel=[finished("cancelled")])
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--approve-plan", home=tmp_path, env=env) as shown:
            await shown.until("[x] reject")
            shown.type("\x03")
            assert await shown.ended() == 130


async def test_a_dumb_terminal_gets_plain_lines(tmp_path: Path) -> None:
    server = RunServer(live(whole_run()))
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address, "TERM": "dumb"}
        async with terminal(*ORDER, home=tmp_path, env=env) as shown:
            assert await shown.ended() == 0
    assert "\x1b" not in shown.raw
    assert "✓ prepare  (1.2 s)" in shown.text


async def test_json_on_a_terminal_holds_no_sequence(tmp_path: Path) -> None:
    evil = {"type": "role.text", "role": "coder", "text": "\x1b[2J\x9b1A\u202e"}
    server = RunServer([evil, finished("succeeded")])
    async with server.serving():
        env = {"CODING_AGENT_SERVER": server.address}
        async with terminal(*ORDER, "--json", home=tmp_path, env=env) as shown:
            assert await shown.ended() == 0
    assert "\\u001b[2J\\u009b1A\\u202e" in shown.raw
    assert "\x1b" not in shown.raw
