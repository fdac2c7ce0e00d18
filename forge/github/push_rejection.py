"""Why the forge refused a push, read from what it said: a rule against the change, or another."""

import re
from typing import Final

from graph import GateFinding
from graph.errors import PushBlocked, PushRejected

_MAX_QUOTED: Final = 1500
_MAX_FINDINGS: Final = 20
_CODE: Final = re.compile(r"\bGH\d{3}\b")
_LEAVE_OUT: Final = (
    "leave agent/* (CODING_AGENT_BRANCH_PREFIX) out of it, or let the token's account bypass it"
)
_AUTHOR: Final = "set CODING_AGENT_GIT_AUTHOR to a name and address that it takes"
_HINTS: Final = {
    "GH001": "A file is too large for GitHub (100 MB): leave it out, or use Git LFS.",
    "GH006": "The branch is protected: let the token's account push to agent/* branches.",
    "GH007": "The author's address is private: set CODING_AGENT_GIT_AUTHOR to another.",
}
_RULES: Final = (
    ("signature", f"A rule wants signed commits, and a run's are not signed: {_LEAVE_OUT}."),
    ("creations being restricted", f"A rule lets nobody make such a branch: {_LEAVE_OUT}."),
    ("email", f"A rule wants another author: {_AUTHOR}."),
    ("commit message", "A rule wants another form of commit messages: give the request a title."),
    ("status check", f"A rule wants checks before there is a branch: {_LEAVE_OUT}."),
    ("pull request", f"A rule lets nobody push to the branch itself: {_LEAVE_OUT}."),
    ("name", f"A rule wants other names of branches: {_LEAVE_OUT}."),
)
"""By words of a rule's own sentence; the first that is said counts."""
_SENTENCE: Final = re.compile(r"(?m)^[ \t]*+- (\S.{0,300})$")
_TAKE_OUT: Final = (
    "Take the named secret out, then resume the run; push protection is not bypassed."
)
_WORKFLOW_SCOPE: Final = (
    "The change touches workflow files: give the token the workflow scope (fine-grained:"
    " Workflows read/write), or leave them out."
)
_LARGE: Final = re.compile(r"File (\S.*?) is ([\d.]+ [KMG]i?B)\b")
_WORKFLOW: Final = re.compile(r"refusing to allow .{0,80}\bworkflow `?([^`\s]*)`? without")
_PROTECTED: Final = re.compile(r"(?i)push protection|cannot contain secrets")
_KIND: Final = re.compile(r"\u2014{2,}\s+(\S.*?)\s+\u2014{2,}")
_PATH: Final = re.compile(r"\bpath: (\S.*?)(?::(\d+))?\s*$")


def explain_push_rejection(full_name: str, reason: str, said: str) -> PushRejected:
    """The error of a refused ref: `reason` is git's own word, `said` what the forge printed."""
    sentences = "; ".join(_SENTENCE.findall(said)[:_MAX_FINDINGS])
    message = f"{full_name} refused the push: {sentences or reason}" + (
        f"\n{said[:_MAX_QUOTED]}" if said else ""
    )
    found = _CODE.search(said)
    rule = found[0] if found else ""
    if findings := _findings(rule, reason, said):
        hint = {"file_size": _HINTS["GH001"], "workflows": _WORKFLOW_SCOPE}
        return PushBlocked(message, hint.get(findings[0].rule, _TAKE_OUT), findings)
    return PushRejected(message, _hint(rule, reason, sentences))


def _findings(rule: str, reason: str, said: str) -> tuple[GateFinding, ...]:
    """What the change itself is refused for; empty where it is refused for something else."""
    if found := _WORKFLOW.search(reason):
        message = "is a workflow file, and the token has no right to change those"
        return (_finding("workflows", message, found[1]),)
    if rule == "GH001":
        large = _LARGE.findall(said) or [("", "")]
        return tuple(
            _finding("file_size", f"is too large for the forge {size}".rstrip(), path)
            for path, size in large[:_MAX_FINDINGS]
        )
    return tuple(_secrets(said)[:_MAX_FINDINGS]) if _PROTECTED.search(said) else ()


def _secrets(said: str) -> list[GateFinding]:
    """Every place that push protection names, below the kind of secret it saw there."""
    kind, findings = "a secret", []
    for row in said.splitlines():
        if named := _KIND.search(row):
            kind = named[1]
        elif place := _PATH.search(row):
            line = int(place[2]) if place[2] else None
            findings.append(_finding("push_protection", f"holds {kind}", place[1], line))
    return findings or [_finding("push_protection", "The forge saw a secret in the change")]


def _finding(rule: str, message: str, path: str = "", line: int | None = None) -> GateFinding:
    return GateFinding(rule=rule, severity="error", path=path, line=line, message=message)


def _hint(rule: str, reason: str, sentences: str) -> str:
    said = sentences.lower()
    if rule == "GH013":
        known = (hint for words, hint in _RULES if words in said)
        return next(known, f"A rule of the repository refused the push: {_LEAVE_OUT}.")
    if rule:
        return _HINTS.get(rule, "See what the repository's rules say of pushes.")
    if "fetch first" in reason or "non-fast-forward" in reason:
        return "The branch has commits that are not of this run; it is never overwritten."
    if "shallow update" in reason:
        return "The base branch was rewritten while the run worked: start a new run."
    return "See what the repository's rules and hooks say of pushes."
