"""The live drawing and its plain and terse relatives."""

import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from rich.console import Console

from api.exit_codes import EXIT_CODES
from api.terminal.display.live_display import LiveDisplay
from api.terminal.display.plain_display import PlainDisplay
from api.terminal.display.run_display import RunDisplay, draw
from api.terminal.display.script_display import JsonDisplay, ResultDisplay
from tests.standins.servers.run_events import (
    PR_URL,
    RUN_ID,
    node,
    numbered,
    run,
    said,
    started,
    tool,
    whole_run,
)

_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")


async def stream(events: list[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    for event in events:
        yield event


def console(width: int = 80, **more: Any) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    kept = Console(
        file=out,
        force_terminal=True,
        width=width,
        height=30,
        markup=False,
        highlight=False,
        emoji=False,
        color_system="standard",
        _environ={},
        **more,
    )
    return kept, out


def drawn(events: list[dict[str, Any]], width: int = 80) -> str:
    """What a terminal of `width` got, with a tick after each event."""
    kept, out = console(width)
    with LiveDisplay(kept) as progress:
        for event in events:
            progress.show(event)
            progress.tick()
    return out.getvalue()


def plain(text: str) -> str:
    return _SEQUENCE.sub("", text).replace("\r", "")


async def test_drawing_to_the_end_gives_the_exit_code() -> None:
    kept, out = console()
    assert await draw(stream(whole_run()), LiveDisplay(kept)) == 0
    assert PR_URL in out.getvalue()
    assert await draw(stream(run("timed_out")), LiveDisplay(console()[0])) == 4


@pytest.mark.parametrize(("status", "code"), EXIT_CODES.items())
async def test_every_status_has_its_exit_code(status: str, code: int) -> None:
    assert await draw(stream(run(status)), ResultDisplay(io.StringIO())) == code


async def test_a_stream_that_ends_without_an_end_failed() -> None:
    assert await draw(stream(numbered([started()])), LiveDisplay(console()[0])) == 1


def test_the_foot_shows_nodes_role_tool_tokens_and_cost() -> None:
    events = whole_run()
    at = next(n for n, event in enumerate(events) if event.get("callId") == "c4") + 1
    text = plain(drawn(events[:at]))
    lines = [line.rstrip() for line in text.splitlines()]
    assert any(line.startswith("coder  $ python3 -m unittest -v") for line in lines)
    assert any(re.search(r"✓ prepare  ✓ plan  ○ approve  . code  ○ validate", x) for x in lines)
    assert any(line.startswith("36.0k tokens · $0.13") for line in lines)


def test_the_terminal_is_left_as_it_was() -> None:
    raw = drawn(whole_run())
    assert raw.count("\x1b[?25l") == raw.count("\x1b[?25h") == 1
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l")
    final = {name for _, name in _SEQUENCE.findall(raw)}
    assert final <= {"m", "A", "K", "h", "l"}


@pytest.mark.parametrize("width", [30, 60, 76, 80, 200])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    raw = drawn(whole_run(), width)
    copied = re.compile(r"  (pull request|branch)  .*")
    assert screen_of(copied.sub("", raw), width), "but for what is copied, which is never broken"


def test_hostile_texts_draw_nothing_but_text() -> None:
    evil = "\x1b[2J\x1b[H\x1b]0;owned\x07\x9b1A[red]x[/red] :smile: \r\x08\u202egpj"
    events = numbered(
        [
            {**started(), "prompt": evil, "repoUrl": evil, "baseBranch": evil},
            {"type": "node.started", "node": "plan", "visit": 1},
            {"type": "role.text", "role": evil, "text": evil * 20},
            {"type": "role.thinking", "role": evil, "text": evil},
            *tool(evil, evil, "bash", {"command": evil}, ok=False, exitCode=1, output=evil),
            {"type": "retry", "what": evil, "reason": evil, "waitMs": 1},
            {"type": "validation.finished", "commands": [{"command": evil, "output": evil}]},
            {"type": "node.finished", "node": "plan", "visit": 1, "outcome": evil},
            {"type": "run.finished", "status": evil, "branch": evil, "error": {"message": evil}},
        ]
    )
    raw = drawn(events)
    allowed = {"m", "A", "K", "h", "l"}
    assert {name for _, name in _SEQUENCE.findall(raw)} <= allowed
    assert "\x1b" not in _SEQUENCE.sub("", raw)
    left = _SEQUENCE.sub("", raw)
    assert not set("\x07\x08\x9b\u202e") & set(left)
    assert "owned" not in left
    assert "[red]x[/red] :smile:" in left
    out = io.StringIO()
    with PlainDisplay(out) as lines:
        for event in events:
            lines.show(event)
    assert "\x1b" not in out.getvalue()


def test_the_screen_after_the_run_holds_the_story_and_no_foot() -> None:
    screen = screen_of(drawn(whole_run()), 80)
    assert screen[-1].startswith("  72.1k tokens")
    assert not any("○ publish" in row for row in screen)
    assert sum(row.startswith("✓ plan ") for row in screen) == 1


def test_text_flows_line_by_line_and_each_line_once() -> None:
    screen = screen_of(drawn(whole_run()), 80)
    assert sum("The parser is in `todo/cli.py`." in row for row in screen) == 1


def test_text_after_the_terminal_was_resized_fits_it() -> None:
    kept, out = console(80)
    with LiveDisplay(kept) as progress:
        progress.show(numbered([started()])[0])
        kept.width = 40
        for event in numbered(list(said("coder", "some words of text " * 20))):
            progress.show(event)
    rows = [row for row in screen_of(out.getvalue(), 80) if "words" in row]
    assert len(rows) > 8
    assert all(len(row) <= 40 and "…" not in row for row in rows)


def test_a_narrow_terminal_shows_where_the_run_is() -> None:
    events = [*numbered([started()]), *numbered(node("code", "ok", 1, []))[:1]]
    assert "code  4 of 8" in plain(drawn(events, 60))


def test_waiting_is_said_in_the_foot() -> None:
    events = numbered(
        [
            started(),
            {"type": "node.started", "node": "approve", "visit": 1},
            {"type": "plan.waiting", "planId": "plan-1", "plan": {"summary": "x"}},
        ]
    )
    text = plain(drawn(events))
    assert "waiting for an answer to the plan" in text
    assert "! approve" in text


def test_no_colour_where_none_is_wanted() -> None:
    kept, out = console(no_color=True)
    with LiveDisplay(kept) as progress:
        for event in whole_run():
            progress.show(event)
    codes = {code for code, name in _SEQUENCE.findall(out.getvalue()) if name == "m"}
    assert all(not re.fullmatch(r"(?:\d+;)*[349][0-7]", code) for code in codes)


def test_plain_lines_have_the_time_before_them_and_nothing_to_act_on() -> None:
    out = io.StringIO()
    with PlainDisplay(out) as lines:
        for event in whole_run():
            lines.show(event)
            lines.tick()
        lines.note("a \x1b[31mnote")
    text = out.getvalue()
    assert "   12 s    I'll look at how the commands are built before I plan anything.\n" in text
    assert " 1m 17s  ✓ validate (3)  passed  (1.9 s)\n" in text
    assert text.endswith("a note\n")
    assert "\x1b" not in text
    assert "\n\n" not in text


def test_plain_lines_fit_an_ascii_stream() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    with PlainDisplay(out) as lines:
        for event in numbered([{**started(), "prompt": "Füge 漢字 hinzu"}]):
            lines.show(event)
    out.flush()
    assert b"F?ge ?? hinzu" in raw.getvalue()


def test_json_lines_are_the_payloads() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    events = [*whole_run(), {"type": "from.the.future", "text": "é \u2028 \x1b"}]
    with JsonDisplay(out) as lines:
        for event in events:
            lines.show(event)
    sent = raw.getvalue().decode()
    compact = [json.dumps(e, ensure_ascii=False, separators=(",", ":")) for e in events]
    assert sent.split("\n")[:-1] == compact
    assert "\x1b" not in sent


def test_a_path_is_whole_on_a_narrow_terminal() -> None:
    path = f"/data/{'deep/' * 30}x.patch"
    assert path in drawn(run("succeeded", branch="b", patch=path), width=40)


def test_json_lines_say_a_lone_surrogate_by_an_escape() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    with JsonDisplay(out) as lines:
        lines.show({"text": "\ud800"})
    assert json.loads(raw.getvalue()) == {"text": "\ud800"}


@pytest.mark.parametrize(
    ("events", "line"),
    [
        (run("succeeded", prUrl=PR_URL, branch="b"), f"succeeded  {PR_URL}\n"),
        (run("succeeded", branch="b", patch="/p"), "succeeded  branch b  patch /p\n"),
        (run("no_changes", explanation="It\ndoes."), "no_changes  It does.\n"),
        (
            run("failed", error={"code": "git_failed", "message": "no\nluck"}),
            "failed  git_failed: no luck\n",
        ),
        (numbered([started()]), ""),
    ],
)
def test_quiet_is_the_result_alone(events: list[dict[str, Any]], line: str) -> None:
    out = io.StringIO()
    quiet: RunDisplay = ResultDisplay(out)
    with quiet:
        for event in events:
            quiet.show(event)
            quiet.tick()
    assert out.getvalue() == line


def test_quiet_forgets_an_end_that_was_none() -> None:
    out = io.StringIO()
    with ResultDisplay(out) as quiet:
        for event in run("interrupted"):
            quiet.show(event)
        quiet.show({"type": "run.resumed", "runId": RUN_ID, "attempt": 2})
        quiet.show(run("succeeded", branch="b")[1])
    assert out.getvalue() == "succeeded  branch b\n"


def screen_of(raw: str, width: int) -> list[str]:
    """The rows a terminal shows in the end: letters, line ends, cursor up, erase line."""
    rows, row, column = [""], 0, 0
    for text, number, name in re.findall(r"([^\x1b]+)|\x1b\[([0-9;?]*)([A-Za-z])", raw):
        for character in text:
            if character == "\n":
                row, column = row + 1, 0
                rows += [""] * (row + 1 - len(rows))
            elif character == "\r":
                column = 0
            else:
                rows[row] = rows[row][:column].ljust(column) + character + rows[row][column + 1 :]
                column += 1
                assert column <= width
        if name == "A":
            row = max(row - int(number or 1), 0)
        elif name == "K":
            rows[row] = ""
    return [text.rstrip() for text in rows[: max(n for n, text in enumerate(rows) if text) + 1]]


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_what_is_typed_is_cut_to_any_width(width: int) -> None:
    screen, out = console(width=width)
    with LiveDisplay(screen) as display:
        display.show(started())
        display.show_typed("a long message \u5bbd")
    assert out.getvalue()
