"""What a change's own tests show of it: they are run over the base's sources, too."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from graph import Check, FolderCommand, Proof, ProofTest, TestStatus
from sandbox.changes.parse_diff import Diff, FileDiff
from sandbox.checks.restore_base_tests import NotRestored, restore_base_sources
from sandbox.checks.run_check import run_check
from sandbox.checks.select_tests import tell_each_test
from sandbox.core.protocol import Sandbox, Sandboxes, TreeSpec
from sandbox.ecosystems.base import Ecosystem, any_of
from sandbox.ecosystems.test_files import defined_tests, has_tests

_MOST_TESTS: Final = 30
_MOST_CHECKS: Final = 4
_KEPT_BYTES: Final = 1024 * 1024
_LONGEST_LINE: Final = 1000
_PARAMETER: Final = re.compile(r"%[a-z]|\$\{[^}]*+\}|[$#]\w++")
_ABOVE: Final = re.compile(r"\s*+(?:@|#\[)")
"""Lines that belong to the definition below them."""
_Told = tuple[Mapping[str, TestStatus], TestStatus]
"""How each test ended, and what is to be said of those of which nothing is told."""


async def prove(
    run_id: str,
    spec: TreeSpec,
    diff: Diff,
    passed: Sequence[Check],
    sandboxes: Sandboxes,
    deadline: float,
) -> Proof | None:
    """Run the tests that the change adds or edits with and without the rest of it.

    In a fresh tree each, so that none meets what the other left there; what fails without it fails
    twice. By the checks that passed: by a command that tells of each test, else by the check as it
    is, where its report names what fails. None where there is no code to be shown.
    """
    tests = await asyncio.to_thread(_tests_of, diff)
    if diff.tests.issuperset(diff.code):
        return None
    inside = [file.path for file in diff.files if file.tests_inside]
    runs = [each for check in passed if (each := _telling(check, tests))][:_MOST_CHECKS]
    told = {path for each in runs for path in each.files}
    left = {path: names for path, names in tests.items() if path not in told}
    wholes = [whole for check in passed if (whole := _whole(check, left))][:_MOST_CHECKS]
    if not runs and not wholes:
        return Proof(not_tried=tuple(dict.fromkeys((*inside, *tests)))[:_MOST_TESTS])
    after: list[_Told] = []
    try:
        if runs:
            async with _fresh_tree(run_id, spec, sandboxes) as sandbox:
                after = [await _ends(sandbox, each, deadline) for each in runs]
        async with _fresh_tree(run_id, spec, sandboxes) as sandbox:
            await restore_base_sources(sandbox, spec.base, diff.files)
            before = [await _steady_ends(sandbox, each, deadline) for each in runs]
            shown = [(each, await each.failing(sandbox, deadline)) for each in wholes]
    except NotRestored:
        return Proof(not_tried=tuple(tests)[:_MOST_TESTS])
    found = [test for pair in zip(before, after, strict=True) for test in _compare(*pair)]
    found += [test for _, failing in shown for test in failing or ()]
    tried = [each.files for each, (ends, _) in zip(runs, after, strict=True) if ends]
    tried += [each.files for each, failing in shown if failing is not None]
    not_tried = tuple(dict.fromkeys((*inside, *(p for p in tests if p not in chain(*tried)))))
    return Proof(
        tests=tuple(found[:_MOST_TESTS]),
        shown=any(t.without_change == "failed" and t.with_change == "passed" for t in found),
        not_tried=not_tried[:_MOST_TESTS],
    )


def _tests_of(diff: Diff) -> dict[str, frozenset[str]]:
    """The names of the changed tests by the file of tests that they are in; empty: all of it."""
    return {
        file.path: names
        for file in diff.files
        if _has_tests(file)
        and not file.tests_inside
        and ((names := _changed_tests(file)) or not _is_helper(file))
    }


@asynccontextmanager
async def _fresh_tree(run_id: str, spec: TreeSpec, sandboxes: Sandboxes) -> AsyncIterator[Sandbox]:
    tree = replace(spec, name=f"proof-{secrets.token_hex(4)}")
    try:
        yield await sandboxes.open(run_id, tree)
    finally:
        await sandboxes.discard(run_id, tree.name)


@dataclass(frozen=True)
class _Telling:
    """A command that tells of each test of some files; `names` are empty where all count."""

    ecosystem: Ecosystem
    command: FolderCommand
    files: tuple[str, ...]
    names: frozenset[str]

    def concerns(self, test: str) -> bool:
        return not self.names or not self.names.isdisjoint(re.findall(r"\w+", test))


def _telling(check: Check, tests: Mapping[str, frozenset[str]]) -> _Telling | None:
    """For those of the tests that the check holds."""
    inside = f"{check.folder}/" if check.folder else ""
    files = tuple(path for path in tests if path.startswith(inside))
    if check.kind != "test" or not files:
        return None
    known = all(tests[path] for path in files)
    names = frozenset[str]().union(*(tests[path] for path in files)) if known else frozenset[str]()
    ecosystem, command = tell_each_test(check, files, names)
    if ecosystem is None:
        return None
    there = FolderCommand(command=command, folder=check.folder)
    return _Telling(ecosystem, there, files, names)


@dataclass(frozen=True)
class _Whole:
    """A check that passed and cannot tell of single tests: run as it is, its report names failures.

    `names` are those of the changed tests in `files`.
    """

    check: Check
    files: tuple[str, ...]
    names: frozenset[str]

    async def failing(self, sandbox: Sandbox, deadline: float) -> list[ProofTest] | None:
        """Changed tests that fail without the rest of the change; None where it tells nothing."""
        run = await run_check(sandbox, self.check, deadline)
        if run.limit or run.too_late or not (run.ran or run.failed_tests):
            return None
        if run.passed:
            return []
        again = await run_check(sandbox, self.check, deadline)
        failed = [test for test in run.failed_tests if test in again.failed_tests]
        named = re.compile("|".join(map(_like_name, self.names)))
        inside = f"{self.check.folder}/" if self.check.folder else ""
        files = any_of(re.escape(file.removeprefix(inside)) for file in self.files)
        ends: dict[str, TestStatus] = {
            test: "failed" if named.search(files.sub("", test)) else "not_importable"
            for test in failed
            if named.search(test) or files.search(test)
        }
        return [
            ProofTest(id=test, without_change=end, with_change="passed")
            for test, end in ends.items()
        ]


def _like_name(name: str) -> str:
    """A pattern of a test's name; of one with parameters, such as `adds %s`, whatever they are."""
    parts = _PARAMETER.split(name)
    return rf"(?<!\w){'.*?'.join(map(re.escape, parts))}(?!\w)"


def _whole(check: Check, tests: Mapping[str, frozenset[str]]) -> _Whole | None:
    """For tests whose names are known."""
    inside = f"{check.folder}/" if check.folder else ""
    files = tuple(path for path, names in tests.items() if names and path.startswith(inside))
    if check.kind != "test" or not files:
        return None
    return _Whole(check, files, frozenset[str]().union(*(tests[path] for path in files)))


def _has_tests(file: FileDiff) -> bool:
    return file.status != "deleted" and file.is_test and file.path in file.code


def _is_helper(file: FileDiff) -> bool:
    return file.status == "added" and not has_tests(file.path, file.shown or "")


def _changed_tests(file: FileDiff) -> frozenset[str]:
    """Names of the tests with changed lines; none where a change lies in no test that is shown."""
    names: set[str] = set()
    current: set[str] = set()
    above = False
    for line in file.text.split("\n"):
        if line.startswith("@@"):
            current = set(defined_tests(line.rpartition("@@")[2]))
            continue
        changed = bool(line[:1] in "+-" and line[1:].strip()) and line[:3] not in ("+++", "---")
        if _ABOVE.match(line[1:]):
            above |= changed
            continue
        if defined := set(defined_tests(line[1:])):
            current, changed, above = defined, changed or above, False
        if changed and file.status != "added" and not current:
            return frozenset()
        names |= current if changed else set()
    return frozenset(names)


async def _steady_ends(sandbox: Sandbox, telling: _Telling, deadline: float) -> _Told:
    """As `_ends`; a test that fails and then does not has ended as it did then."""
    ends, rest = await _ends(sandbox, telling, deadline)
    if "failed" not in ends.values():
        return ends, rest
    again, untold = await _ends(sandbox, telling, deadline)
    failed = [test for test, end in ends.items() if end == "failed"]
    return {**ends, **{test: again.get(test, untold) for test in failed}}, rest


async def _ends(sandbox: Sandbox, telling: _Telling, deadline: float) -> _Told:
    left = deadline - time.time()
    if left <= 0:
        return {}, "stopped"
    result = await sandbox.run(
        telling.command.shell, timeout_s=left, keep_bytes=_KEPT_BYTES, services="needed"
    )
    lines = [line[:_LONGEST_LINE].rstrip() for line in result.text.split("\n")]
    unloaded = any(map(re.compile(telling.ecosystem.unloaded).fullmatch, lines))
    rest: TestStatus = "stopped" if result.limit else "not_importable" if unloaded else "missing"
    ends = dict(telling.ecosystem.told(lines))
    return {test: end for test, end in ends.items() if telling.concerns(test)}, rest


def _compare(before: _Told, after: _Told) -> Iterable[ProofTest]:
    for test, end in after[0].items():
        without = before[0].get(test, before[1])
        yield ProofTest(id=test, without_change=without, with_change=end)
