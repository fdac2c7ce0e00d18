"""Rust: cargo's tests, clippy and rustfmt."""

import re
import shlex
from collections.abc import Collection, Iterator, Sequence

from sandbox.ecosystems.base import (
    Ecosystem,
    Lines,
    ReportReader,
    TestEnd,
    any_line,
    failures_like,
    only,
    program_versions,
)
from sandbox.ecosystems.install_step import NOTHING_TO_INSTALL, InstallPlan, InstallStep
from sandbox.ecosystems.project import Project

_LINTS = re.compile(r"(?m)^\[(?:workspace\.)?lints\b")


def _tests(project: Project) -> Iterator[str]:
    """Every test, also after one that failed."""
    if project.has("Cargo.toml"):
        yield f"cargo test {_whole(project)}--no-fail-fast"


def _lints(project: Project) -> Iterator[str]:
    """Of those that are configured, or that the repository's own automation runs."""
    if project.has("Cargo.toml") and not project.is_part("Cargo.toml", "[workspace"):
        configured = project.has("clippy.toml", ".clippy.toml")
        configured |= _LINTS.search(project.text("Cargo.toml")) is not None
        if configured or project.is_run("clippy"):
            yield f"cargo clippy {_whole(project)}--all-targets"
        if project.has("rustfmt.toml", ".rustfmt.toml") or project.is_run("cargo fmt"):
            yield "cargo fmt --all --check"


def _whole(project: Project) -> str:
    return "--workspace " if "[workspace" in project.text("Cargo.toml") else ""


def _select(words: Sequence[str], tests: Sequence[str]) -> str:
    """By names, whatever target they are in; a doctest's is no path."""
    names = [match[1] for test in tests if (match := re.fullmatch(r"(?:\S+ )?([\w:]+)", test))]
    if words[:2] != ["cargo", "test"] or "--" in words or len(names) < len(tests):
        return ""
    return shlex.join([*words, "--", "--exact", *names])


_NEXTEST = r"\s*+Summary \[ *+[\d.]++s\] "
_FAILED_OF_NEXTEST = failures_like(
    r"\s++(?:TRY \d++ )?(?:FAIL(?: \+ LEAK)?|LEAK-FAIL|TIMEOUT|TMT|SIG\w++|ABORT|XFAIL)"
    r" \[[ >]*+[\d.]++s\] (?:\([ \d]++/[ \d]++\) )?(\S.*)",
    below=_NEXTEST + ".*",
    until=r"\S.*",
)
"""Of those that it lists at its end: before, it tells of a failure that it tries again, too."""
_STOPS = re.compile(r"error: test failed, to rerun pass ")
_STOPS_IN_PACKAGE = re.compile(r"error: test failed, to rerun pass [`']-p ")
_CANCELS = re.compile(r"\s*+Cancell?ing due to test failure")
_RAN_SOME = re.compile(_NEXTEST + r"\d++/\d")
_RAN_ALL = re.compile(_NEXTEST + r"\d++ tests? run: ")
_TARGET = re.compile(r"(?<!\s)\s++(?:Running (?!`)|Doc-tests )\S")
_HARNESS = re.compile(r"running \d++ tests?$")
_COUNTED = re.compile(r"error: \d++ targets? failed:")
_TOLD = re.compile(r"test (?P<id>\S+)(?: - should panic)? \.\.\. (?P<end>ok|FAILED)")


def _tell(words: Sequence[str], files: Sequence[str], names: Collection[str]) -> str:
    """Of files below `tests`, each a target of its own; tests inside of sources are compiled in."""
    if words[:2] != ["cargo", "test"] or "--" in words:
        return ""
    stems = [match[1] for file in files if (match := re.fullmatch(r"tests/([^/]+)\.rs", file))]
    targets = [word for stem in stems for word in ("--test", stem)]
    return shlex.join([*words, *targets, "--", *sorted(names)]) if targets else ""


def _told(lines: Lines) -> Iterator[tuple[str, TestEnd]]:
    for match in filter(None, map(_TOLD.fullmatch, lines)):
        yield match["id"], "passed" if match["end"] == "ok" else "failed"


def _probe(words: Sequence[str]) -> str:
    """Asks for the subcommand, which may be a tool of its own."""
    match words:
        case ["cargo", "clippy" | "fmt" as tool, *_]:
            return f"cargo {tool} --version"
    return ""


def _plan(project: Project) -> InstallPlan:
    """Once for a workspace. A lock file that its manifests have left behind is not held to."""
    if project.has("Cargo.lock"):
        step = InstallStep(
            "what `Cargo.lock` names", "cargo fetch --locked", instead=("cargo fetch",)
        )
    elif not project.has("Cargo.toml") or project.is_part("Cargo.toml", "[workspace"):
        return NOTHING_TO_INSTALL
    else:
        step = InstallStep("what `Cargo.toml` names", "cargo fetch")
    return InstallPlan((step,))


def _tells_too_little(lines: Lines) -> bool:
    """Of a target with `harness = false` it says no more than that it runs."""
    untold = False
    for line in lines:
        if _TARGET.match(line) and untold:
            return True
        untold = (untold or _TARGET.match(line) is not None) and not _HARNESS.match(line)
    return untold


def _is_cut_short(lines: Lines) -> bool:
    """With `--no-fail-fast` cargo counts the targets that failed, at the end."""
    stopped = any(map(_STOPS.match, lines)) and not any(map(_COUNTED.match, lines))
    cancelled = any(map(_CANCELS.match, lines)) and not any(map(_RAN_ALL.match, lines))
    return stopped or cancelled or any(map(_RAN_SOME.match, lines))


_CALL = re.compile(r"(?:\w++=[\w./:=,-]*+ )*+cargo (?:\+\S++ )?test(?P<options>[\w ./:=,+@-]*+)")
_ONE_TARGET = re.compile(r" --(?:lib|doc|(?:test|bin|bench|example)[ =]\w\S*+)(?!\S)")
_TARGETS = re.compile(r" --(?:tests|bins|benches|examples|all-targets)(?!\S)")
_PACKAGE = re.compile(r" (?:-p|--package)[ =]?\w")


def _runs_one(command: str, lines: Lines) -> bool:
    """One target of one package; where there may be several, cargo names that of a failure."""
    call = _CALL.fullmatch(command.strip())
    if call is None:
        return False
    options = call["options"].partition(" -- ")[0]
    if len(_ONE_TARGET.findall(options)) != 1 or _TARGETS.search(options):
        return False
    return len(_PACKAGE.findall(options)) == 1 or not any(map(_STOPS_IN_PACKAGE.match, lines))


RUST = Ecosystem(
    name="rust",
    manifests=r"Cargo\.toml",
    versions=program_versions(rustc="rustc --version", cargo="cargo --version"),
    locks=r"Cargo\.lock",
    seen=r"\.?(clippy|rustfmt)\.toml",
    tests=_tests,
    lints=_lints,
    test_calls=r"\bcargo (?:test|nextest)\b",
    lint_calls=r"cargo (?:clippy|fmt|check)",
    ends_first=r"(?<!\S)--fail-fast(?![\w=./-])",
    reports=(
        ReportReader(
            "cargo test",
            failures_like(
                # the line of a doctest moves
                r"test (\S.*?)(?: \(line \d+\))?(?: - should panic)? \.\.\. FAILED",
                below=r"\s+(?:Running (?:unittests )?\S+ \(\S*?([^/\s]+)-[0-9a-f]+\)"
                r"|Running (?:unittests )?(\S+).*|Doc-tests (\S+))",
            ),
            any_line(r"test \S.* \.\.\. (?:ok|FAILED)$"),
        ),
        ReportReader(
            "cargo nextest",
            _FAILED_OF_NEXTEST,
            any_line(_NEXTEST + r"(?:\d++/)?[1-9]\d*+ tests? run: "),
        ),
    ),
    counts=r"test result: \w+\. (\d+ passed; \d+ failed).*"
    rf"|{_NEXTEST}[\d/]++ tests? run: (\d++ passed.*)",
    failures_begin=r"failures:|error(?:\[E\d+\])?: .*",
    cut_short=_is_cut_short,
    runs_one=_runs_one,
    tells_too_little=_tells_too_little,
    noise=r"test \S.* \.\.\. ok|\s+PASS \[.*"
    r"|\s+(?:Compiling|Downloaded|Downloading|Checking|Running) .*",
    select=_select,
    tell=_tell,
    told=_told,
    unloaded=r"error: could not compile .*",
    probe=_probe,
    lacking=r"error: (linker `[^`]++` not found)|.*(could not find system library '[^']++').*",
    plan=_plan,
    installs_only=only(r"cargo fetch(?: --locked)?"),
    install_reads=r"Cargo\.toml|config\.toml",
    sources=r"[^/]+\.rs",
    definition=r"(?:pub\b|impl\b|(?:fn|struct|enum|trait)\s)",
    test_files=r"tests/.*\.rs",
    test_line=r"[ \t]*#\[([a-z_]+::)*r?test",
    tests_of_source=r"src/.*\.rs",
    tests_in_source=r"\s*+(?:#\[(?:\w++::)*+test\b|#\[cfg\(test\)\]|//[/!] ```)",
    config=r"\.cargo/config(?:\.toml)?|\.?(?:clippy|rustfmt)\.toml",
    mixed_config=r"Cargo\.toml",
    test_definition=r"\s*+(?:async\s++)?fn\s++(\w++)\s*+\(",
    assertion=r"\bassert\w*\b",
    skip=r"#\[ignore",
    suppression=r"#!?\[allow\(",
    runner_access=r"\bprocess::exit\s*+\(\s*+0?\s*+\)",
)
