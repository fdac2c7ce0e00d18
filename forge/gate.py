"""The gate: what of a change may leave this machine, judged by the objects that would be pushed."""

from collections.abc import Callable, Iterator
from typing import Final

from forge.change_reader import shown_path
from forge.gate_rules import (
    FILES,
    GITLINK,
    SYMLINK,
    Entry,
    Verdict,
    judge_mode,
    judge_path,
    leaves_tree,
)
from forge.gate_secrets import find_patterns, line_at
from forge.secret_forms import SecretForms
from forge.trusted_repository import Blobs
from graph.values import GateFinding, GateReport

MAX_FILE: Final = 50 * 1024 * 1024
MAX_SCANNED: Final = 100 * 1024 * 1024
"""No forge takes a larger file, and none larger is read; no request may let it pass."""
MAX_TOTAL: Final = 500 * 1024 * 1024
ALLOWABLE: Final = frozenset(("workflows", "codeowners", "agent_config", "large_files"))
_MAX_FINDINGS: Final = 50
_MAX_TARGET: Final = 4096
_ZERO: Final = "0" * 40


def parse_entries(raw: bytes) -> list[Entry]:
    """Entries of `git diff --raw -z --no-abbrev --no-renames`."""
    fields = iter(raw.split(b"\0")[:-1])
    entries = []
    for meta in fields:
        old_mode, mode, old_sha, sha, _ = meta.decode("ascii").removeprefix(":").split(" ")
        entries.append(Entry(next(fields), mode, _known(sha), old_mode, _known(old_sha)))
    return entries


def judge(
    entries: list[Entry], blobs: Blobs, token: SecretForms, allow: tuple[str, ...]
) -> GateReport:
    """The gate's report. Reads blobs, so it belongs in a thread."""
    allowed = ALLOWABLE.intersection(allow)
    findings: list[GateFinding] = []
    for finding in _findings(entries, blobs, token):
        if finding.rule in allowed:
            findings.append(finding.model_copy(update={"severity": "warning"}))
        else:
            findings.append(finding)
    passed = all(finding.severity != "error" for finding in findings)
    findings.sort(key=lambda finding: finding.severity != "error")
    return GateReport(passed=passed, findings=tuple(findings[:_MAX_FINDINGS]))


def _findings(entries: list[Entry], blobs: Blobs, token: SecretForms) -> Iterator[GateFinding]:
    total = 0
    for entry in entries:
        for verdict in (*judge_path(entry), *judge_mode(entry)):
            yield _finding(entry, verdict)
        if token.position(entry.path) >= 0:
            yield _finding(entry, _OWN_TOKEN, hide=token.hide)
        if not entry.removed and entry.mode != GITLINK:
            size = blobs.size(entry.sha)
            total += size
            yield from _judge_blob(entry, size, blobs, token)
    if total > MAX_TOTAL:
        message = f"all changed files together have {total} bytes; at most {MAX_TOTAL} may pass"
        yield GateFinding(rule="large_files", severity="error", message=message)


def _judge_blob(entry: Entry, size: int, blobs: Blobs, token: SecretForms) -> Iterator[GateFinding]:
    if entry.mode == SYMLINK:
        yield from _judge_link(entry, size, blobs, token)
        return
    if size > MAX_SCANNED:
        message = f"has {size} bytes; at most {MAX_SCANNED} can be pushed"
        yield _finding(entry, Verdict("file_size", message))
        return
    if size > MAX_FILE:
        message = f"has {size} bytes; at most {MAX_FILE} may pass"
        yield _finding(entry, Verdict("large_files", message))
    content = blobs.read(entry.sha)
    if (position := token.position(content)) >= 0:
        yield _finding(entry, _OWN_TOKEN, line_at(content, position))
    old = blobs.read(entry.old_sha) if entry.old_mode in FILES else b""
    for kind, line in find_patterns(content, old):
        yield _finding(entry, Verdict("secret_pattern", f"adds what looks like a {kind}"), line)


def _judge_link(entry: Entry, size: int, blobs: Blobs, token: SecretForms) -> Iterator[GateFinding]:
    target = blobs.read(entry.sha) if size <= _MAX_TARGET else b"/"
    if leaves_tree(entry.name, target.decode("utf-8", "surrogateescape")):
        yield _finding(entry, Verdict("symlink", "is a symbolic link that leads out of the tree"))
    if token.position(target) >= 0:
        yield _finding(entry, _OWN_TOKEN)


_OWN_TOKEN: Final = Verdict("secret", "holds the GitHub token of this service")


def _finding(
    entry: Entry,
    verdict: Verdict,
    line: int | None = None,
    hide: Callable[[str], str] = lambda text: text,
) -> GateFinding:
    return GateFinding(
        rule=verdict.rule,
        severity="error",
        path=hide(shown_path(entry.path)),
        line=line,
        message=verdict.message,
    )


def _known(sha: str) -> str:
    return "" if sha == _ZERO else sha
