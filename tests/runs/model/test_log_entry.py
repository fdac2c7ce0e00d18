"""What goes into the log: valid JSON of bounded size, whatever a tool or a model wrote."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from graph.events import RoleText, ToolFinished
from graph.secret_forms import redactor
from runs.model.log_entry import MAX_BYTES, entry, entry_of, hide_secrets
from runs.model.run_record import LoggedEvent

_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # lone surrogates too
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXT, inner, max_size=5),
    max_leaves=20,
)


def payload(data: dict[str, Any]) -> str:
    made = entry_of("", data)
    assert json.loads(made.text) == made.data
    logged = LoggedEvent("0" * 26, 999_999_999, 1_700_000_000.0, made.type, made.data)
    return logged.payload


@given(_JSON)
def test_any_json_becomes_one_valid_line(value: Any) -> None:
    line = payload({"type": "tool.started", "input": value})
    assert len(line.encode()) <= 64 * 1024
    assert len(line.splitlines()) == 1
    assert json.loads(line)["type"] == "tool.started"


@settings(max_examples=40)
@given(
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=4),
    st.integers(0, 200_000),
    st.integers(1, 4),
)
def test_long_strings_are_cut_to_fit(piece: str, times: int, fields: int) -> None:
    texts = {f"text{number}": piece * times for number in range(fields)}
    line = payload({"type": "role.text", **texts})
    assert len(line.encode()) <= 64 * 1024
    told = json.loads(line)
    for name, text in texts.items():
        whole = told[name] == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        assert whole or told.get("truncated") is True or "\ufffd" in told[name]


class CountedList(list[Any]):
    """Counts the entries that are looked at, in all of its kind."""

    looked_at = 0

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():
            CountedList.looked_at += 1
            yield item


def test_of_very_many_values_no_more_are_looked_at_than_an_event_has_bytes() -> None:
    tree: Any = 1
    for _ in range(17):
        tree = CountedList([tree, tree])
    CountedList.looked_at = 0
    line = payload({"type": "tool.started", "callId": "c", "input": {"a": tree}})
    assert 0 < CountedList.looked_at < MAX_BYTES
    assert len(line) < 64 * 1024
    assert json.loads(line)["truncated"] is True


def checked(failures: int, output: str) -> dict[str, Any]:
    """What an event of failing checks tells, or one like it with more in each entry."""
    command = {"name": "c", "status": "failed", "excerpt": output, "failures": ["f" * 60] * 30}
    return {
        "type": "validation.finished",
        "status": "failed",
        "commands": [command | {"exitCode": 1} for _ in range(failures)],
        "newFailures": ["a" * 60] * 1000,
        "knownFailures": ["b"],
        "flaky": ["c"],
        "findings": [{"path": "p", "line": 1}] * 5,
    }


@pytest.mark.parametrize("failures", [1, 16, 400])
@pytest.mark.parametrize("output", ["x" * 40, "x" * 20_000, "\x00" * 9000])
def test_lists_become_shorter_and_nothing_loses_its_kind(failures: int, output: str) -> None:
    told = json.loads(payload(checked(failures, output)))
    assert told["status"] == "failed"
    for name in ("commands", "newFailures", "knownFailures", "flaky", "findings"):
        assert isinstance(told[name], list)
        assert None not in told[name]
    for command in told["commands"]:
        assert isinstance(command["failures"], list)
        assert (command["status"], command["exitCode"]) == ("failed", 1)
    assert told["commands"]
    assert told.get("truncated") or told["newFailures"] == ["a" * 60] * 1000


SECRET = 'odd"secret-of-16-letters'


@pytest.mark.parametrize(
    "output",
    [f"got {SECRET}", f"got {SECRET[:9]}\n{SECRET[9:]}", "\n".join(SECRET), SECRET[::-1]],
)
def test_a_secret_is_hidden_as_it_was_said(output: str) -> None:
    event = ToolFinished(
        role="coder", call_id="c", ok=True, output=output, exit_code=0, duration_ms=1
    )
    hide = redactor([SecretStr(SECRET)])
    hidden = hide_secrets(entry(event), hide)
    assert json.loads(hidden.text) == hidden.data
    assert (hidden.data["callId"], hidden.type) == ("c", "tool.finished")
    assert "***" in hidden.data["output"]
    assert hide(hidden.text) == hidden.text


def test_a_secret_that_lies_in_several_texts_is_not_told() -> None:
    data = {"type": "tool.started", "input": {"a": [SECRET[:9]], "b": 1}}
    made = entry_of("", data)
    hidden = hide_secrets(
        made, lambda text: text.replace(f'"a":["{json.dumps(SECRET[:9])[1:-1]}"]', "*")
    )
    assert hidden.data == {"type": "tool.started", "truncated": True}


def test_what_fits_is_kept_as_it_is() -> None:
    text = "x" * 60_000
    assert entry(RoleText(role="coder", text=text)).data == {
        "type": "role.text",
        "role": "coder",
        "text": text,
    }


def test_a_cut_output_keeps_both_ends() -> None:
    output = "first" + "\n" * 10_000_000 + "last"
    event = ToolFinished(role="coder", call_id="c1", ok=True, output=output, duration_ms=1)
    made = entry(event)
    assert made.data["truncated"] is True
    assert made.data["output"].startswith("first")
    assert made.data["output"].endswith("last")
    assert made.data["callId"] == "c1"


@pytest.mark.parametrize(
    "value",
    [
        {"a" * 70_000: 1},
        [["x" * 50] * 300] * 300,
        [{"k": "é" * 3000} for _ in range(500)],
        {str(number): number for number in range(100_000)},
        float("nan"),
        float("inf"),
        10**5000,
        b"bytes",
        {1, 2},
    ],
    ids=["long key", "nested", "wide", "many keys", "nan", "inf", "huge int", "bytes", "set"],
)
def test_what_is_no_small_json_is_made_so(value: Any) -> None:
    line = payload({"type": "tool.started", "input": value})
    assert len(line.encode()) <= 64 * 1024
    assert json.loads(line)["type"] == "tool.started"


def test_depth_without_end_is_cut() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert json.loads(payload({"type": "tool.started", "input": deep}))["truncated"] is True


def test_fields_that_cannot_be_made_to_fit_are_left_out() -> None:
    many = {f"field{number}": "x" * 60 for number in range(2000)}
    assert entry_of("", {"type": "odd", **many}).data == {"type": "odd", "truncated": True}


@pytest.mark.parametrize("hostile", ["\ud800", "a\x00b", "\r\n\r\ndata: x", "\x1b[2J", "\x85  "])
def test_hostile_text_stays_inside_its_string(hostile: str) -> None:
    line = payload({"type": "role.text", "text": hostile})
    assert len(line.splitlines()) == 1
    assert "\r" not in line
    told = json.loads(line.encode())["text"]
    assert told == hostile.replace("\ud800", "\ufffd")
