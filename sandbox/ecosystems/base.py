"""An ecosystem: all that is known of the projects of one language, as one frozen value.

A pattern of files is matched with the end of a path, from the name of a file or a folder on:
`package\\.json`, `gradle/wrapper/.*`. Those of `manifests`, `locks`, `read`, `seen` and `layout`
are for grep -E and for Python alike. Patterns of lines meet lines of a change or of a command's
output: none may take more than linear time on any of them.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sandbox.ecosystems.install_step import Plan, nothing_to_install
from sandbox.ecosystems.project import Project

TestEnd = Literal["passed", "failed", "not_importable"]
Lines = Sequence[str]
"""Of a command's output, each of a bounded length."""
Find = Callable[[Project], Iterable[str]]
"""Commands for a project, which are run in its folder."""


@dataclass(frozen=True)
class Mark:
    """A kind of files, known by what is in them.

    Files that fit the glob `files` and have a line with `pattern`, which is for grep -E.
    """

    kind: str
    files: str
    pattern: str


@dataclass(frozen=True)
class ReportReader:
    """What a test runner's output says.

    `failed`: the ids of the tests that failed, the same in the next run. `ran`: whether any test
    came to its end, and did not just fail to be loaded.
    """

    runner: str
    failed: Callable[[Lines], Iterable[str]]
    ran: Callable[[Lines], bool]


def nothing(*_: object) -> str:
    """No text, and no commands either."""
    return ""


def never(*_: object) -> bool:
    return False


def failures_like(
    test: str, *, below: str = "", until: str = "", between: str = " "
) -> Callable[[Lines], Iterator[str]]:
    """Reads ids: the groups of each line like `test`, behind those of the last line like `below`.

    With `until` there must have been one, and since then no line like that.
    """
    opening, naming, closing = map(re.compile, (below, test, until))

    def failed(lines: Lines) -> Iterator[str]:
        parts: Sequence[str] | None = None if until else ()
        for line in lines:
            if below and (match := opening.fullmatch(line)):
                parts = match.groups()
            elif parts is not None and (match := naming.fullmatch(line)):
                yield between.join(part.strip() for part in (*parts, *match.groups()) if part)
            elif until and closing.fullmatch(line):
                parts = None

    return failed


def any_line(pattern: str) -> Callable[[Lines], bool]:
    """Whether a line begins with what the pattern says."""
    match = re.compile(pattern).match
    return lambda lines: any(map(match, lines))


def where(file: str, command: str) -> Callable[[Project], list[str]]:
    """The command in each project that has the file."""
    return lambda project: [command] if project.has(file) else []


def only(*patterns: str) -> Callable[[str, Sequence[str]], bool]:
    """Whether a command is one of these and no more."""
    match = re.compile("|".join(patterns)).fullmatch
    return lambda command, _before: match(command) is not None


def program_versions(**commands: str) -> str:
    """A script that prints the first number that each command says, if it is there."""
    parts = (
        f"v=$(timeout 20 {command} 2>/dev/null | grep -oE '[0-9]+(\\.[0-9]+)+' | head -n 1)\n"
        f'[ -z "$v" ] || echo "{name} $v"'
        for name, command in commands.items()
    )
    return "\n".join(parts)


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns if pattern))


def paths_like(patterns: Iterable[str]) -> re.Pattern[str]:
    """Whole paths whose end is like one of these patterns of files."""
    return re.compile(f"(?:.*/)?(?:{any_of(patterns).pattern})", re.DOTALL)


@dataclass(frozen=True)
class Ecosystem:
    """What a language's projects are known by, checked with, installed from and weakened by.

    A part that an ecosystem has not is left as it is here.
    """

    name: str

    manifests: str = ""
    """Files that make a folder a project; their contents are read."""
    locks: str = ""
    """Files that fix what is installed."""
    read: str = ""
    """Other files whose contents are read."""
    seen: str = ""
    """Other files of which it is known that they are there."""
    layout: str = ""
    """Files that show how a project is laid out: there may be very many."""
    marks: tuple[Mark, ...] = ()

    tests: Find = nothing
    """Commands that run a project's tests."""
    lints: Find = nothing
    """Commands that run its linters and type checkers."""
    recipe: Callable[[Project, str], str] = nothing
    """The text of what one of these commands runs in turn, where that is in a file."""
    test_calls: str = ""
    """Words of a command that call a test runner."""
    lint_calls: str = ""
    """Words that call a linter; a command that begins with them runs no test."""
    reports: tuple[ReportReader, ...] = ()
    counts: str = ""
    """A line that says how many tests passed and failed; its first group is that."""
    failures_begin: str = ""
    """A line with which a runner begins to say what failed, and why."""
    lists_failed: str = ""
    """A line below which a runner lists all that failed, at the end of what it says."""
    cut_short: Callable[[Lines], bool] = never
    """Whether a runner says that it left tests out because others had failed."""
    stops_at_first: Callable[[Lines], bool] = never
    """Whether it says that it ended at so many failures, whichever came first."""
    ends_first: str = ""
    """Options of a command by which it leaves tests out after others have failed."""
    runs_one: Callable[[str, Lines], bool] = never
    """Whether a command runs a single part of the tests, behind whose failure no other is left."""
    idle: Callable[[Lines], bool] = never
    """Whether a runner says that it ran no test, in other words than by counts of none."""
    tells_too_little: Callable[[Lines], bool] = never
    """Whether a runner may have run tests of which it does not tell."""
    noise: str = ""
    """A line that says no more than that something passed, or how far a run is."""

    select: Callable[[Sequence[str], Sequence[str]], str] = nothing
    """A command that runs some tests alone, as its report names them.

    Given are the words of the command that runs all.
    """

    tell: Callable[[Sequence[str], Sequence[str], Collection[str]], str] = nothing
    """A command that runs tests and tells how each of them ends.

    Given are the words of the command that runs all, the files of tests, seen from its folder, and
    the names of tests; without any it is all tests of the files.
    """
    told: Callable[[Lines], Iterable[tuple[str, TestEnd]]] = lambda _: ()
    """What that command tells: the ids of tests, and how each ended."""
    unloaded: str = ""
    """A line by which it says that tests could not be loaded, or compiled."""

    probe: Callable[[Sequence[str]], str] = nothing
    """A command that succeeds where what these words of a command call is there."""
    not_installed: Mapping[str, int] = field(default_factory=dict)
    """By program, the exit code that says: what it needs is not installed."""

    lacking: str = ""
    """A line that names a module or a tool that is not installed; its first group is that."""

    plan: Plan = nothing_to_install
    """How a project is set up."""
    installs_only: Callable[[str, Sequence[str]], bool] = never
    """Whether a command reads `install_reads`, `locks`, files that it names, and nothing else.

    Given are the command and those before it in the same folder.
    """
    install_reads: str = ""
    install_scripts: Mark | None = None
    """Where installing runs code of the repository, too."""

    versions: str = ""
    """A script that prints the name and the version of each tool that checks call, a line each.

    It is run in a project's folder; a tool that is not there is left out.
    """

    sources: str = ""
    """Files of code in its language, tests among them."""
    names_of: Callable[[str, str, str], Iterable[str]] | None = None
    """Patterns, for grep -E, of lines by which a file outside of a package names its code.

    Given are the package's folder, a path of code seen from it, and its `package.json`. None where
    a check builds all parts of what it is run in, used or not.
    """
    is_served: bool = False
    """Whether projects of other languages hold its code as files that they hand out."""
    definition: str = ""
    """The beginning of a line that defines something for other files."""
    test_files: str = ""
    """Files that are tests, or belong to them, whatever is in them."""
    test_like: str = ""
    """Names that tests have, and now and then a source: what is in the file decides."""
    test_folders: str = ""
    """Names of folders of tests, and now and then of sources: what is in their files decides."""
    test_line: str = ""
    """The beginning of a line that defines a test, or stands above it; for grep -E, too."""
    tests_of_source: str = ""
    """Files of tests that a source names: without that they are not compiled."""
    tests_in_source: str = ""
    """The beginning of a line with which tests begin that lie inside of a source."""
    config: str = ""
    """Files that say how checks run: as in the base where a change is judged again."""
    mixed_config: str = ""
    """Files that say it beside what code needs, such as dependencies: named, left as they are."""
    shadows: Callable[[str, Collection[str]], bool] = never
    """Whether a new file is loaded in place of what runners import.

    Given are its path and the folders in which commands start, with a slash at their end.
    """
    test_definition: str = ""
    """The beginning of a line that defines a test; its last group is the name."""
    assertion: str = ""
    skip: str = ""
    suppression: str = ""
    """What silences a linter or a check."""
    runner_access: str = ""
    """What ends the process early, or reaches into the runner."""
