"""A run's results as lines: plan, change, validation, review, gate, pull request, end."""

from shlex import quote
from typing import Final

from api.terminal.text.human_units import count, duration, money, plural
from api.terminal.text.option_names import name_options
from api.terminal.text.styled_line import Line, Mark, Tone, cut, tail
from api.terminal.text.token_counts import Tokens
from api.terminal.text.untrusted_fields import Fields

_MAX_FILES: Final = 8
_MAX_FINDINGS: Final = 20
_MAX_NAMES: Final = 8
_OUTPUT: Final = 12
_SEVERITY_MARKS: Final[dict[str, Mark]] = {"error": "bad", "warning": "warn"}
_ENDS: Final[dict[str, tuple[str, Mark]]] = {
    "succeeded": ("Done", "good"),
    "no_changes": ("Nothing to change", "good"),
    "rejected": ("The plan was rejected", "warn"),
    "incomplete": ("Incomplete: published as a draft that says what is left", "warn"),
    "blocked": ("Blocked by the gate: nothing was pushed, the patch is kept", "bad"),
    "budget_exhausted": ("The budget is spent", "warn"),
    "timed_out": ("The time is up", "warn"),
    "failed": ("Failed", "bad"),
    "interrupted": ("Interrupted", "bad"),
    "cancelled": ("Cancelled: nothing was published", "warn"),
    "queued": ("Queued", "open"),
    "running": ("Running", "open"),
    "waiting": ("Its plan waits for an answer", "warn"),
}
_AT_A_NODE: Final = frozenset(
    ("running", "failed", "interrupted", "cancelled", "budget_exhausted", "timed_out")
)
_WANTS_NONE: Final = ("The repository takes no contributions of coding agents", "warn")
_REASONS: Final = {
    "contributions_refused": "",
    "fix_rounds_exhausted": "the fix rounds are used up",
    "not_done": "the coder says that something asked for is missing",
    "tokens_spent": "the limit of tokens is reached",
    "turns_exhausted": "a role came to no answer within its turns",
    "not_validated": "no check that ran can vouch for the change",
    "checks_stopped": "the main check was stopped before it ended",
    "base_conflict": "the base branch moved on, and the change conflicts with it",
    "nothing_to_do": "the planner found nothing to do",
    "empty_change": "the change came out empty",
    "gate": "",
}


def plan_lines(plan: Fields, indent: int = 2) -> list[Line]:
    lines = [Line(plan.line("summary"), indent=indent, tone="strong")]
    steps = enumerate(plan.lines("steps"), 1)
    lines += [Line(f"{number}. {step}", indent=indent + 2, hang=3) for number, step in steps]
    if files := plan.lines("files"):
        lines.append(Line(f"files  {', '.join(files)}", indent=indent + 2, tone="dim"))
    lines += [
        Line(f"check  {command}", indent=indent + 2, tone="dim")
        for command in plan.lines("validate")
    ]
    return lines


def change_lines(change: Fields, indent: int = 2) -> list[Line]:
    files = change.each("files")
    added = sum(file.whole("added") or 0 for file in files)
    removed = sum(file.whole("removed") or 0 for file in files)
    head = Line(f"{plural(len(files), 'file')} changed", indent, right=f"+{added} -{removed}")
    rows = [
        Line(
            file.line("path"),
            indent=indent + 2,
            right=f"+{file.whole('added') or 0} -{file.whole('removed') or 0}",
            tone="dim",
            wrap=False,
        )
        for file in files
    ]
    moved = change.line("baseSha")[:10]
    over = f"the base branch moved: the change now stands on {moved}"
    warning = [Line(over, indent, mark="warn", tone="warn")] if moved else []
    return [*warning, head, *cut(rows, _MAX_FILES, "files")]


def validation_lines(validation: Fields, indent: int = 2) -> list[Line]:
    lines = [line for check in validation.each("commands") for line in _check_lines(check, indent)]
    if not lines:
        lines.append(Line("no check could be run", indent=indent, mark="warn", tone="warn"))
    new = [
        Line(f"new failure  {name}", indent=indent, mark="bad", wrap=False)
        for name in validation.lines("newFailures")
    ]
    known = [
        Line(f"fails on the base too  {name}", indent=indent, mark="warn", tone="dim", wrap=False)
        for name in validation.lines("knownFailures")
    ]
    flaky = [
        Line(f"failed once, passed again  {name}", indent=indent, mark="warn", tone="dim")
        for name in validation.lines("flaky")
    ]
    lines += [*cut(flaky, _MAX_NAMES, "of these")]
    lines += [*cut(new, _MAX_NAMES, "new failures"), *cut(known, _MAX_NAMES, "of these")]
    return [*lines, *finding_lines(validation, indent)]


def _check_lines(check: Fields, indent: int) -> list[Line]:
    status, code = check.line("status"), check.whole("exitCode")
    took = duration((check.number("durationMs") or 0) / 1000)
    label = f"{check.line('folder')}$ {check.line('command')}"
    if status == "passed":
        return [Line(label, indent=indent, mark="good", right=took, wrap=False)]
    ended = "could not run" if status == "unavailable" else "stopped"
    mark: Mark = "warn" if status in ("unavailable", "stopped") else "bad"
    head = Line(
        label,
        indent=indent,
        mark=mark,
        right=f"{ended if code is None else f'exit {code}'} · {took}",
        right_tone="bad" if mark == "bad" else "warn",
        wrap=False,
    )
    return [head, *tail(check.text("output"), _OUTPUT, indent + 2)]


def review_lines(review: Fields, indent: int = 2) -> list[Line]:
    approved = review.line("verdict") == "approve"
    said = review.line("summary") or ("no objections" if approved else "changes are asked for")
    head = Line(said, indent=indent, mark="good" if approved else "warn")
    return [head, *finding_lines(review, indent + 2)]


def gate_lines(gate: Fields, indent: int = 2) -> list[Line]:
    if gate.flag("passed"):
        head = Line("gate passed", indent=indent, mark="good")
    else:
        head = Line("the gate keeps the change back", indent=indent, mark="bad", tone="bad")
    return [head, *finding_lines(gate, indent + 2)]


def finding_lines(result: Fields, indent: int) -> list[Line]:
    lines: list[Line] = []
    for finding in result.each("findings"):
        path, number = finding.line("path"), finding.whole("line")
        where = f"{path}:{number}" if path and number is not None else path
        parts = (where, finding.line("rule"), finding.line("message"))
        mark = _SEVERITY_MARKS.get(finding.line("severity"), "open")
        lines.append(Line("  ".join(part for part in parts if part), indent=indent, mark=mark))
    return cut(lines, _MAX_FINDINGS, "findings")


def pr_lines(pr: Fields, verb: str = "", indent: int = 2) -> list[Line]:
    number = pr.whole("number")
    what = f"pull request #{number}" if number is not None else f"branch {pr.line('branch')}"
    draft = "(draft)" if pr.flag("draft") and number is not None else ""
    text = " ".join(part for part in (what, draft, verb if number is not None else "") if part)
    return [Line(text, indent=indent, mark="good")]


def end_lines(end: Fields, tokens: Tokens, seconds: float, repository: str) -> list[Line]:
    """The last words on a run, from its `run.finished`; `repository`: an address, or a checkout."""
    lines = [end_line(end), *explanation_lines(end)]
    named = [("pull request", end.line("prUrl")), ("branch", end.line("branch"))]
    named += [("patch", end.line("patch"))]
    if is_local(end):
        named.append(("run", end.line("runId")))
        named += zip(("next", "", ""), _next_commands(end, repository), strict=False)
    lines += [Line(f"{name:<13} {value}", indent=2, whole=True) for name, value in named if value]
    if error := end.inner("error"):
        lines += error_lines(error, indent=2)
    spent = (tokens_text(tokens), money(end.number("costUsd")), duration(seconds))
    return [*lines, Line(" · ".join(spent), indent=2, tone="dim")]


def is_local(run: Fields) -> bool:
    """Whether what came of it is a branch of a checkout: there is no pull request, and no draft."""
    pr = run.inner("pr")
    return bool(run.line("patch") or (pr.line("branch") and not pr.line("url")))


def _next_commands(end: Fields, checkout: str) -> list[str]:
    """What a reader does with the branch, in the checkout.

    git merges no branch over uncommitted work that is in it, and applies no patch to files outside
    of the working directory.
    """
    if not (branch := end.line("branch")):
        return []
    name, patch = quote(branch), end.line("patch")
    push = f"git push -u origin {name} && gh pr create --fill --head {name}"
    apply = f"git -C {quote(checkout)} apply {quote(patch)}"
    take = apply if end.flag("includesUncommitted") and patch else f"git merge {name}"
    commands = [f"git diff HEAD...{name}", take]
    return [*commands, push] if end.flag("pushable") else commands


def explanation_lines(run: Fields) -> list[Line]:
    """Why there is nothing to change, in the planner's words."""
    return [Line(text, indent=2) for text in run.text("explanation").splitlines() if text.strip()]


def end_line(run: Fields) -> Line:
    """A run's status in words: why, or at which node."""
    status, reason, node = run.line("status"), run.line("reason"), run.line("node")
    text, mark = _ENDS.get(status, (status or "The run ended", "warn"))
    if reason == "contributions_refused":
        text, mark = _WANTS_NONE
    if status == "incomplete" and is_local(run):
        text = "Incomplete: the branch has what was done"
    if run.flag("abandoned"):
        text, mark = f"{text}, but no process drives it", "bad"
    told = run.line("explanation") or reason == run.inner("error").line("code")
    said = "" if told else _REASONS.get(reason, reason)
    because = said or (f"in {node}" if status in _AT_A_NODE and node else "")
    return Line(f"{text} ({because})" if because else text, mark=mark, tone="strong")


def error_lines(error: Fields, indent: int) -> list[Line]:
    """What went wrong and what to do."""
    tone: Tone = "bad"
    message = name_options(error.line("message"))
    lines = [Line(f"{message}  [{error.line('code')}]", indent=indent, tone=tone)]
    hints = [text for text in name_options(error.text("hint")).splitlines() if text.strip()]
    return [*lines, *(Line(text, indent=indent) for text in hints)]


def tokens_text(tokens: Tokens) -> str:
    cached = f" ({100 * tokens.cached // tokens.total} % from cache)" if tokens.cached else ""
    return f"{count(tokens.total)} tokens{cached}"


def result_line(end: Fields) -> str:
    """The one line of `--quiet`."""
    parts = [end.line("status")]
    if url := end.line("prUrl"):
        parts.append(url)
    else:
        parts += [f"{name} {end.line(name)}" for name in ("branch", "patch") if end.line(name)]
    parts += [text] if (text := end.line("explanation")) else []
    if error := end.inner("error"):
        parts.append(f"{error.line('code')}: {error.line('message')}")
    return "  ".join(parts)
