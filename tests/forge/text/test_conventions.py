"""A title follows the base's newest commits, by rules."""

import pytest

from forge.text.commit_message import commit_message
from forge.text.conventions import MESSAGES, find_conventions, follow
from graph.values import ChangedFile
from tests.forge.text.test_pull_request import publication

CONVENTIONAL = [
    "fix(parser): accept an empty line",
    "feat(parser): read dates",
    "docs: say what a date is",
    "chore(cli): drop an option",
    "refactor(cli)!: name options anew",
]
TICKETS = ["ABC-1: Add a field", "ABC-2: Fix a field", "ABC-3: X", "AB-4: Y", "ABC-5: Z"]
AREAS = [
    "net/http: keep a header",
    "net/http: drop a header",
    "cmd/go: build less",
    "cmd/go: build more",
    "runtime: stop",
]
PLAIN = ["Add a field", "Fix a field", "Say what a field is", "Drop a field", "Name a field"]


def files(*paths: str) -> list[ChangedFile]:
    return [ChangedFile(path=path, added=1, removed=0) for path in paths]


@pytest.mark.parametrize(
    ("messages", "title", "paths", "expected"),
    [
        (CONVENTIONAL, "Fix a crash", ["src/parser.py", "a.py"], "fix(parser): fix a crash"),
        (CONVENTIONAL, "Read times", ["src/parser/time.py"], "feat(parser): read times"),
        (CONVENTIONAL, "Add a chapter", ["docs/a.md", "README.md"], "docs: add a chapter"),
        (CONVENTIONAL, "Hold the limit", ["tests/test_cli.py"], "test: hold the limit"),
        (CONVENTIONAL, "HTTP is read", ["a.py"], "feat: HTTP is read"),
        (CONVENTIONAL, "perf: read once", ["a.py"], "perf: read once"),
        (TICKETS, "Add a flag", ["a.py"], "ABC-9: Add a flag"),
        (TICKETS, "Add the flag of ABC-9", ["a.py"], "Add the flag of ABC-9"),
        ([f"[{text.replace(':', ']')}" for text in TICKETS], "Add", [], "[ABC-9] Add"),
        ([text.replace(":", "") for text in TICKETS], "Add a flag", [], "ABC-9 Add a flag"),
        (AREAS, "Keep a cookie", ["src/net/http/cookie.go"], "net/http: keep a cookie"),
        (AREAS, "Keep a cookie", ["src/os/file.go"], "Keep a cookie"),
        (PLAIN, "Keep a cookie", ["src/os/file.go"], "Keep a cookie"),
        (CONVENTIONAL[:4], "Fix a crash", ["src/parser.py"], "Fix a crash"),
        ([*PLAIN, *CONVENTIONAL], "Fix a crash", ["src/parser.py"], "Fix a crash"),
        ([], "Fix a crash", ["src/parser.py"], "Fix a crash"),
    ],
)
def test_a_title_is_written_as_the_bases_are(
    messages: list[str], title: str, paths: list[str], expected: str
) -> None:
    assert follow(find_conventions(messages), title, files(*paths), "ABC-9") == expected


def test_without_a_ticket_none_is_made_up() -> None:
    assert follow(find_conventions(TICKETS), "Add a flag", [], "") == "Add a flag"


def test_what_programs_commit_says_nothing() -> None:
    made = [f"Bump library from {number} to {number + 1}" for number in range(20)]
    assert find_conventions([*made, *CONVENTIONAL]) == find_conventions(CONVENTIONAL)


def test_long_and_odd_messages_say_nothing() -> None:
    odd = ["fix(" + "a" * 1_000_000, "\0" * 100, "\u202e: x", "", ": "] * 6
    assert find_conventions(odd[:MESSAGES]).style == ""


def test_a_sign_off_is_given_where_the_bases_commits_have_it() -> None:
    signed = find_conventions([f"{text}\n\nSigned-off-by: Ada <ada@example.org>" for text in PLAIN])
    told = publication(requested_by="ada")
    message = commit_message(told, signed, "Bot <bot@example.org>")
    assert message.endswith("\n\nRequested-by: ada\nSigned-off-by: Bot <bot@example.org>")
    assert "Signed-off-by" not in commit_message(told, signed)
    assert "Signed-off-by" not in commit_message(told, find_conventions(PLAIN), "Bot <b@b.b>")


def test_the_callers_title_stays_as_it_is() -> None:
    told = publication(title="Carry a discount")
    assert commit_message(told, find_conventions(CONVENTIONAL)).startswith("Carry a discount\n")
    told = publication()
    assert commit_message(told, find_conventions(CONVENTIONAL)).startswith("feat: let an invoice")


def test_the_runs_id_stays_out_of_the_commit() -> None:
    told = publication(requested_by="ada")
    assert told.run_id not in commit_message(told)
