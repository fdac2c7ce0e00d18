"""The story of a run in lines, whatever its events hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from api.exit_codes import EXIT_CODES, exit_code
from api.terminal.display.edit_hunk import EDITOR
from api.terminal.display.event_lines import EventLines
from api.terminal.display.live_display import line_texts
from api.terminal.text.line_wrapper import StreamingLineWrapper, wrap
from api.terminal.text.styled_line import Line
from api.terminal.text.symbols import UNICODE, glyphs_for
from graph import FINAL_STATUSES
from tests.standins.servers.run_events import (
    RUN_ID,
    finished,
    node,
    numbered,
    run,
    said,
    started,
    tool,
    usage,
    whole_run,
)
from tests.support.linear_time import assert_linear


def warning(events: list[dict[str, Any]], width: int = 80) -> list[Line]:
    lines = EventLines(width)
    return [line for event in events for line in lines.render(event)]


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [line.text for line in warning(events)]


def test_a_model_without_a_price_is_told_at_the_start() -> None:
    assert not [line for line in texts([started()]) if "cost unknown" in line]
    told = texts(numbered([{**started(), "unpriced": ["house-model"]}]))
    assert "cost unknown: no price of house-model; tokens alone are held to a limit" in told


def test_the_whole_run_is_told() -> None:
    lines = texts(whole_run())
    for text in (
        "Add a --json flag to the list command and document it",
        "github.com/octocat/todo · main at 1a2b3c4d",
        "prepare",
        "1. Parse --json in todo/cli.py and hand it to the list command",
        "$ python3 -m unittest -v",
        "claude: overloaded (529), again in 4.0 s",
        "3 files changed",
        "new failure  tests.test_cli.ListTest.test_json",
        "validate  failed",
        "fix (2)",
        "review  changes are asked for",
        "pull request #7 opened",
        "Done",
    ):
        assert text in lines


def test_a_node_with_nothing_to_say_is_one_line() -> None:
    lines = warning(numbered([started(), *node("prepare", "ok", 1240, [])]))
    assert lines[-1] == Line("prepare", mark="good", right="1.2 s", tone="strong")


def test_text_is_told_by_whole_lines_and_ends_with_the_paragraph() -> None:
    event_lines = EventLines(40)
    lines = []
    for event in numbered(list(said("coder", "one two three four five six seven eight nine"))):
        lines += event_lines.render(event)
    assert [line.text for line in lines] == ["one two three four five six seven"]
    assert event_lines.saying == "eight nine"
    assert [line.text for line in event_lines.render(usage("coder", 0.1, 0.1))] == ["eight nine"]


def test_a_tool_is_told_with_its_result() -> None:
    given_ = {"command": "make test\nmake lint"}
    lines = warning(numbered(tool("coder", "c1", "bash", given_, output="a\nb\n\nc\n", ok=True)))
    assert [line.text for line in lines] == [
        "$ make test  (+1 lines)",
        "… 1 more lines above",
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("name", "given_", "label"),
    [
        ("bash", {"restart": True}, "restart the shell"),
        ("edit", {"command": "create", "path": "/workspace/a b.py"}, "create a b.py"),
        ("edit", {"command": "insert", "path": "/tmp/x"}, "edit /tmp/x"),
        ("answer", {"verdict": "approve"}, 'answer {"verdict": "approve"}'),
        ("odd", None, "odd"),
        ("bash", {"command": "\n\n  \x1b[2Jls"}, "$ ls"),
    ],
)
def test_tools_are_named_by_what_they_do(name: str, given_: object, label: str) -> None:
    assert texts(numbered(tool("coder", "c1", name, given_)))[0] == label


def edit(**given_: str) -> list[Line]:
    call = tool("coder", "c1", EDITOR, {"path": "/workspace/a.py", **given_})
    return warning(numbered(call))


def test_an_edit_is_told_as_a_coloured_hunk() -> None:
    before, after = "a\nb\nc\nd = 1\ne\n", "a\nb\nc\nd = 2\n\tnew\ne\n"
    head, *hunk = edit(command="str_replace", old_str=before, new_str=after)
    assert (head.text, head.right) == ("edit a.py", "+2 -1 · 0.1 s")
    assert [(line.text, line.tone) for line in hunk] == [
        ("  c", "dim"),
        ("- d = 1", "bad"),
        ("+ d = 2", "good"),
        ("+     new", "good"),
        ("  e", "dim"),
    ]


def test_a_long_hunk_is_cut_and_a_created_file_is_added() -> None:
    head, *hunk = edit(command="create", file_text="".join(f"{n}\n" for n in range(40)))
    assert (head.text, head.right) == ("create a.py", "+40 -0 · 0.1 s")
    assert [line.text for line in hunk] == [*(f"+ {n}" for n in range(12)), "… 28 more lines"]


@pytest.mark.parametrize("name", ["insert_text", "new_str"])
def test_lines_that_are_inserted_are_added(name: str) -> None:
    head, *hunk = edit(**{"command": "insert", name: "a\n\nb\n"})
    assert (head.right, [line.text for line in hunk]) == ("+3 -0 · 0.1 s", ["+ a", "+", "+ b"])


def test_an_edit_that_failed_shows_why_and_no_hunk() -> None:
    given_ = {"command": "str_replace", "path": "a", "old_str": "x", "new_str": "y"}
    call = tool("coder", "c1", EDITOR, given_, ok=False, output="No such text.")
    assert [line.text for line in warning(numbered(call))] == ["edit a", "No such text."]


def test_the_hunk_of_a_hostile_edit_takes_time_by_its_length() -> None:
    def show(text: str) -> None:
        assert len(edit(command="str_replace", old_str=text, new_str=text.replace("a", "b"))) == 14

    assert_linear(show, lambda size: "a\n" * size, 20_000)


def test_a_failed_tool_shows_the_end_of_its_output() -> None:
    output = "\n".join(f"line {number}" for number in range(30))
    call = tool("coder", "c1", "bash", {"command": "false"}, ok=False, exitCode=2, output=output)
    lines = warning(numbered(call))
    assert lines[0].right == "exit 2 · 0.1 s"
    assert lines[1].text == "… 22 more lines above"
    assert lines[-1].text == "line 29"


def test_what_prepare_has_to_tell_stands_below_it() -> None:
    told = {"type": "node.finished", "node": "prepare", "visit": 1, "outcome": "ok"}
    lines = texts(numbered([told | {"notes": ["No workflow starts.", "\x1b[31mIt moved."]}]))
    assert lines[-2:] == ["No workflow starts.", "It moved."]


def test_a_review_of_the_forge_is_told_by_its_lines() -> None:
    comments = [
        {"path": "", "text": "Nearly."},
        {"path": "a.py", "line": 3, "text": "\x1b[31mSlow."},
    ]
    received = {"type": "review.received", "by": "ben", "comments": comments}
    assert texts(numbered([received])) == [
        "ben reviewed the pull request",
        "in all  Nearly.",
        "a.py:3  Slow.",
    ]


def test_checks_that_failed_on_the_forge_are_told_by_their_names() -> None:
    jobs = [{"name": "tests\x1b[2J", "url": "https://x/1"}, {"name": "lint"}]
    failed = {"type": "check.failed", "head": "1" * 40, "jobs": jobs}
    assert texts(numbered([failed])) == [
        "checks of the pull request failed on 1111111111",
        "tests  https://x/1",
        "lint",
    ]


def test_unknown_events_and_outcomes_are_no_trouble() -> None:
    events = numbered(
        [
            {"type": "from.the.future", "anything": [1, {"a": None}]},
            {"type": "node.started", "node": "deploy", "visit": 1},
            {"type": "node.finished", "node": "deploy", "visit": 1, "outcome": "postponed"},
            {"type": "tool.finished", "role": "coder", "callId": "never started", "ok": True},
            {"type": "run.finished", "status": "paused"},
        ]
    )
    lines = texts([*events, {}, {"type": 3}])
    assert "deploy  postponed" in lines
    assert "paused" in lines


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
_KINDS = st.sampled_from(sorted({event["type"] for event in whole_run()}))
_NAMES = st.sampled_from(sorted({name for event in whole_run() for name in event} - {"type"}))


@given(st.lists(st.tuples(_KINDS, st.dictionaries(_NAMES, _JSON, max_size=6)), max_size=6))
def test_no_event_whatever_it_holds_ends_the_story(
    events: list[tuple[str, dict[str, Any]]],
) -> None:
    lines = EventLines(80)
    for kind, fields in events:
        for line in lines.render({**fields, "type": kind}):
            for row in line_texts(line, 80, UNICODE):
                assert "\n" not in row.plain
                assert "\x1b" not in row.plain


@pytest.mark.parametrize("width", [20, 40, 80, 100])
def test_rows_are_never_wider_than_the_terminal(width: int) -> None:
    long = [*whole_run(), *numbered([started() | {"prompt": "漢字" * 100}])]
    for line in warning(long, width):
        for row in line_texts(line, width, UNICODE):
            assert line.whole or row.cell_len <= max(width, 40)


def test_failure_says_what_to_do() -> None:
    error = {"code": "claude_billing", "message": "No credit.", "hint": "Check the\naccount."}
    lines = texts(run("failed", error=error))
    assert lines[-4:-1] == ["No credit.  [claude_billing]", "Check the", "account."]


def test_a_local_run_names_branch_and_patch() -> None:
    lines = texts(run("succeeded", branch="agent/x", patch="/data/x.patch"))
    assert "branch        agent/x" in lines
    assert "patch         /data/x.patch" in lines
    assert f"run           {RUN_ID}" in lines
    assert "next          git diff HEAD...agent/x" in lines
    assert lines[-2] == "              git merge agent/x"
    pushable = texts(run("succeeded", branch="agent/x", patch="/p", pushable=True))
    push = "git push -u origin agent/x && gh pr create --fill --head agent/x"
    assert pushable[-2] == f"              {push}"


def test_a_patch_is_what_goes_on_top_of_uncommitted_work() -> None:
    begun = started() | {"repoUrl": "/home/me/my tool"}
    end = {"status": "succeeded", "branch": "agent/x", "patch": "/data/x.patch"}
    last = finished(**end, includesUncommitted=True)
    lines = texts(numbered([begun, last]))
    assert lines[-3:-1] == [
        "next          git diff HEAD...agent/x",
        "              git -C '/home/me/my tool' apply /data/x.patch",
    ]


def test_a_local_run_never_speaks_of_a_draft() -> None:
    end = {"branch": "agent/x", "patch": "/data/x.patch", "reason": "fix_rounds_exhausted"}
    lines = texts(run("incomplete", **end))
    assert "Incomplete: the branch has what was done (the fix rounds are used up)" in lines
    assert not [line for line in lines if "draft" in line]
    assert any("draft" in line for line in texts(run("incomplete", prUrl="https://x/pull/1")))


def test_without_a_branch_no_command_comes_next() -> None:
    assert not [line for line in texts(run("cancelled", patch="/p")) if "git " in line]


def test_a_path_is_not_broken() -> None:
    path = f"/data/{'deep/' * 30}x.patch"
    (line,) = [
        line for line in warning(run("succeeded", branch="b", patch=path), 40) if path in line.text
    ]
    (row,) = line_texts(line, 40, UNICODE)
    assert path in row.plain


def test_nothing_to_change_says_the_planners_reason() -> None:
    lines = texts(run("rejected", reason="contributions_refused", explanation="AI.md: “No.”"))
    at = lines.index("The repository takes no contributions of coding agents")
    assert lines[at + 1] == "AI.md: “No.”"
    lines = texts(run("no_changes", reason="nothing_to_do", explanation="It greets already.\nYes."))
    at = lines.index("Nothing to change")
    assert lines[at + 1 : at + 3] == ["It greets already.", "Yes."]


def test_cost_that_is_not_known_is_said_so() -> None:
    assert (
        texts(run("succeeded")[:1] + numbered([finished("succeeded", costUsd=None)]))[-1].split(
            " · "
        )[1]
        == "cost unknown"
    )


def test_every_final_status_has_an_exit_code_and_words() -> None:
    assert set(EXIT_CODES) == FINAL_STATUSES
    for status in FINAL_STATUSES:
        assert texts(run(status))[-2] != status
    assert exit_code(None) == exit_code("from the future") == 1


def test_signs_fit_the_encoding() -> None:
    assert glyphs_for("utf-8").good == "✓"
    assert glyphs_for("ascii").good == "+"
    assert glyphs_for("latin-1").good == "+"
    assert glyphs_for(None).good == "+"
    assert glyphs_for("no such encoding").good == "+"


@given(st.text(max_size=120), st.integers(10, 40), st.integers(0, 20))
def test_wrapping_loses_no_letter_and_keeps_to_the_width(text: str, width: int, hang: int) -> None:
    line = " ".join(text.split())
    lines = wrap(line, width, hang=hang)
    assert "".join("".join(lines).split()) == "".join(line.split())
    assert all(cell_len(part) <= width for part in lines)


def test_letters_that_take_no_cell_do_not_keep_a_line_whole() -> None:
    marks = "\u0301" * 8 * 81
    lines = wrap(marks + "\u0301 " + "word " * 100, 80)
    assert lines[0] == marks
    assert all(cell_len(part) <= 80 for part in lines)
    wrapper = StreamingLineWrapper(80)
    given = [line for _ in range(100) for line in wrapper.feed("\u0301" * 100)]
    assert len(wrapper.rest) <= 8 * 81
    assert "".join([*given, wrapper.rest]) == "\u0301" * 10_000


@given(st.lists(st.text(alphabet="ab \n", max_size=12), max_size=20))
def test_speech_in_pieces_is_the_speech_in_one(pieces: list[str]) -> None:
    in_pieces, at_once = StreamingLineWrapper(12), StreamingLineWrapper(12)
    lines = [line for piece in pieces for line in in_pieces.feed(piece)] + in_pieces.flush()
    assert lines == at_once.feed("".join(pieces)) + at_once.flush()
