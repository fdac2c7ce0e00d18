"""Every reader of hostile text on ten megabytes of the worst: its work grows with the text alone.

A new reader is one more row: what reads, what the text begins with, and what is repeated in it.
"""

import json
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, NamedTuple

import pytest
from pydantic import SecretStr
from starlette.datastructures import Headers

from api.http.guards.session import token_of
from api.terminal.text import clean, clean_line
from api.terminal.text.line_wrapper import wrap
from forge.gate.case_clashes import case_clashes
from forge.gate.judge import _lines_at, parse_entries
from forge.gate.linked_paths import LinkedPaths
from forge.gate.path_rules import Entry
from forge.gate.tree_listing import TreeFile
from forge.github.branch_filter import takes_branch
from forge.github.push_rejection import explain_push_rejection
from forge.secret_scan.kingfisher import Suspicion, _without
from forge.text.sanitize_markdown import code, line, paragraphs
from forge.text.template import fill
from graph.secret_forms import SecretForms
from graph.values import commands_of
from roles.briefing.agent_instructions import _nearest
from roles.briefing.change_diff import ChangeDiff
from roles.briefing.contribution_rules import _parts
from roles.briefing.mentions import extract_terms
from roles.briefing.test_facts import describe_test_changes
from roles.briefing.untrusted_text import quote_untrusted
from roles.tools.bash import reads_only
from roles.tools.text_file import TextFile
from roles.tools.written_files import WrittenFiles
from sandbox.changes.moved_tests import moved_ids
from sandbox.changes.parse_diff import Diff, file_diffs
from sandbox.checks.could_start import words_of
from sandbox.checks.coverage import _parents
from sandbox.checks.tamper_findings import hint_findings
from sandbox.discovery.devcontainer import read_devcontainer
from sandbox.discovery.hints import find_hints
from sandbox.discovery.read_repository import parse_listing
from sandbox.discovery.repository_config import read_config
from sandbox.ecosystems.install_script import parse_report
from sandbox.ecosystems.python_needs import read_toml
from sandbox.reports.excerpt import excerpt
from sandbox.reports.read_report import read_report
from sandbox.setup.invalidation import _installer
from sandbox.tree.take_patch import _left_behind
from tests.support.linear_time import assert_linear
from tests.support.sandbox.listed_files import listed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SIZE: Final = 10_000_000
OUTPUT: Final = 1_000_000
HINT: Final = 60_000
RULES: Final = 1 << 16
CI: Final = ".github/workflows/ci.yml"
FILE: Final = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,1 +1,1 @@\n"
TEST: Final = FILE.replace("a.py", "tests/test_a.py")


class Reader(NamedTuple):
    """What reads, and the texts it is given: `begin`, then one of `parts` again and again.

    `size`: where a text is cut before it is read, the most that is read of it.
    """

    read: Callable[[str], Any]
    parts: tuple[str, ...]
    begin: str = ""
    size: int = SIZE


MOVED: Final = "diff --git a/{0} b/{1}\nrename from {0}\nrename to {1}\n"
MANY_MOVED: Final = file_diffs(
    "".join(MOVED.format(f"tests/test_{n}.py", f"t/test_{n}.py") for n in range(2000))
)
SECRET: Final = SecretForms(SecretStr("a1b2c3d4e5f6a7b8c9d0e1f2"))


def _edit(text: str) -> None:
    file = TextFile.decode("a", text.encode())
    file.find_lines("aaaa", 20)
    file.with_replaced("aaaa", "b")
    file.numbered(1, 100, 1000)


def _follow(text: str) -> None:
    """A tree with a link for each hundred characters, each to the next."""
    count = len(text) // 100
    linked = LinkedPaths({f"l{n}": [f"l{n + 1}"] for n in range(count)})
    for n in range(min(count, 1000)):
        list(islice(linked.others(f"l{count}/a{n}"), 100))


def _clash(path: str) -> None:
    sha = "1" * 40
    entry = Entry(path.encode(), "100644", sha, "000000", "")
    case_clashes([entry], [TreeFile(entry.path, entry.mode, sha)])


LINES: Final = ("\n", " \n", "a", "=", "aaaaaaaa\n", "\r\n")
READERS: Final[dict[str, Reader]] = {
    "a command's report": Reader(
        read_report, (*LINES, "FAILED a\n", "1 passed, ", "not ok 1\n"), size=OUTPUT
    ),
    "a cut report": Reader(
        lambda text: excerpt(text, 10_000), (*LINES, "FAIL a\n", "E  a\n"), size=OUTPUT
    ),
    "a diff": Reader(Diff.read, ("+\n", "+a", "-a\n", "@@ -1 +1 @@\n", FILE), FILE),
    "what silences checks": Reader(
        lambda text: hint_findings(Diff.read(text)),
        ("+# noqa: E501\n", "-assert a\n", "+a"),
        TEST,
    ),
    "ids of moved tests": Reader(
        lambda text: moved_ids(text.split("\n"), MANY_MOVED, ""),
        ("tests/test_1.py::a\n", "a-" * 100 + "\n", "a ", "a", ":"),
        size=OUTPUT,
    ),
    "changed tests": Reader(
        lambda text: describe_test_changes(ChangeDiff.read(text).files),
        ("-    assert a\n", "+def test_a():\n", "+it('", "+@"),
        TEST,
    ),
    "files of a diff": Reader(ChangeDiff.read, (FILE, "diff --git ", "+a\n")),
    "links of a tree": Reader(_follow, ("a",), size=2_000_000),
    "names of a deep tree": Reader(_clash, ("a/", "a"), size=32_000),
    "folders above changed code": Reader(
        lambda text: [list(_parents(text)), _nearest([text], ())], ("a/", "a"), size=32_000
    ),
    "a workflow": Reader(
        lambda text: find_hints(listed({CI: text})),
        ("- run: a\n", "  ", "[", "a: &a\n", "#\n", "- run: |\n    a\n"),
        "jobs:\n  a:\n    steps:\n",
        HINT,
    ),
    "rules of contributions": Reader(
        lambda text: list(_parts(text, whole=False)),
        ("b\n\n", "# a\n", "# AI\nb\n", "a\n===\n", "AI\n\n", " \n", "a "),
        size=RULES,
    ),
    "a guide": Reader(
        lambda text: find_hints(listed({"CONTRIBUTING.md": text})),
        ("```\n", "```sh\na\n```\n", "$ a\n", "    a\n"),
        size=HINT,
    ),
    "secrets in a text": Reader(
        lambda text: SECRET.found_in(text.encode()), ("%61", "\n+ ", "a", "YWFh", "a\0")
    ),
    "a listing": Reader(lambda text: parse_listing(text.encode()), ("a\0", "\n", "0 ")),
    "a report of set-up": Reader(lambda text: parse_report(text.encode()), ("a\n", "\0", " ")),
    "a file that is edited": Reader(_edit, ("a", "\n", "\r\n", "aaab")),
    "the request": Reader(extract_terms, ("a ", "a.b", "`", "aA", "/")),
    "the repository's settings": Reader(read_config, ("a = 1\n", "[a]\n", "[[", "#\n", "a.")),
    "a manifest": Reader(read_toml, ("# a\n", "[", "a.", "'''")),
    "a container's settings": Reader(read_devcontainer, ("//\n", "[", '"', "/*", ",")),
    "text for a pull request": Reader(
        lambda text: [paragraphs(text, 4000), line(text, 200), code(text, 200)],
        ("[", "](", "<", "`", "@a ", "<!--", "\n\n", "#1 "),
    ),
    "a template": Reader(lambda text: fill(text, {}), ("<!--", "## a\n", "#", "\n", "-->")),
    "what git said of a push": Reader(
        lambda text: explain_push_rejection("o/r", text, text), ("remote: - a\n", "\n", "- ", "a")
    ),
    "a branch filter": Reader(
        lambda text: takes_branch({"branches": [text]}, "main"),
        ("*", "[", "?", "a", "!"),
        size=OUTPUT,
    ),
    "text for the terminal": Reader(clean, ("\x1b[", "\u0301", "\x1b]", "\u202e", "\ud800")),
    "a line for the terminal": Reader(clean_line, ("\n", "\x1b[", "\u0301")),
    "quoted text": Reader(
        lambda text: quote_untrusted("file", text, SIZE), ("</file>", "<", "</file ")
    ),
    "a command that may only read": Reader(reads_only, ("a", "a ", "'", "\\", "| ", "ls ")),
    "the words of a check": Reader(words_of, ("a", "a ", "'", "A=a ")),
    "what installs": Reader(lambda text: _installer(text, []), ("a", "a ", "'")),
    "a command in a folder": Reader(
        lambda text: commands_of([f"cd {text} && a"]), ("a", "a/", "'a'", "\\a")
    ),
    "files that a command writes": Reader(
        lambda text: WrittenFiles().add_of(text), (">a ", ">", "cd a;", "cp a b;", "tee ", "'")
    ),
    "a browser's cookies": Reader(
        lambda text: token_of(Headers({"cookie": text})), ('\\"', "a=b;", "\\"), 'a="', 32_000
    ),
    "a line that is wrapped": Reader(
        lambda text: wrap(text, 80), ("a", "a ", "\u4e16", " ", "\u0301"), size=1_000_000
    ),
    "what is left in a tree": Reader(
        lambda text: _left_behind(text.encode()),
        ("ra/\0", "ta\0", "ma/node_modules/\0"),
        size=65_536,
    ),
    "commands": Reader(lambda text: commands_of([text]), ("cd a && ", "'", "\\", " ")),
}
CASES: Final = [
    pytest.param(reader, part, id=f"{name}-{json.dumps(part)[:20]}")
    for name, reader in READERS.items()
    for part in reader.parts
]


@pytest.mark.parametrize(("reader", "part"), CASES)
def test_the_worst_text_is_read_in_one_pass(reader: Reader, part: str) -> None:
    def text(size: int) -> str:
        return reader.begin + part * (size // len(part))

    assert_linear(reader.read, text, reader.size)


def test_many_folders_that_are_left_in_a_tree() -> None:
    def listed(size: int) -> bytes:
        return b"".join(b"r%x/\0" % number for number in range(size // 6))

    assert_linear(_left_behind, listed, 65_536)


def test_entries_of_a_tree() -> None:
    entry = b":000000 100644 " + b"0" * 40 + b" " + b"1" * 40 + b" A\0a\0"
    assert_linear(parse_entries, lambda size: entry * (size // len(entry)), SIZE)


def test_many_paragraphs_below_a_long_heading() -> None:
    def text(size: int) -> str:
        return f"# {'a ' * (size // 4)}\n" + "b\n\n" * (size // 6)

    assert_linear(lambda given: list(_parts(given, whole=False)), text, RULES)


def _suspected(size: int) -> tuple[bytes, list[Suspicion]]:
    """A text that is full of what looks like a secret, and where."""
    starts = range(0, size, 20)
    return b"AKIA\n" * (size // 5), [Suspicion("r", sure=True, start=n, end=n + 4) for n in starts]


@pytest.mark.parametrize("read", [_without, lambda text, found: _lines_at(text, _starts(found))])
def test_very_many_suspected_secrets(read: Callable[[bytes, list[Suspicion]], object]) -> None:
    assert_linear(lambda given: read(*given), _suspected, SIZE)


def _starts(found: list[Suspicion]) -> list[int]:
    return [one.start for one in found]
