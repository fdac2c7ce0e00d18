"""One run's whole record, as `show` prints it."""

import time
from typing import Any

from api.terminal.display.act_lines import message_lines
from api.terminal.display.environment_lines import baseline_lines, environment_lines
from api.terminal.display.result_lines import (
    end_line,
    error_lines,
    explanation_lines,
    gate_lines,
    is_local,
    plan_lines,
    pr_lines,
    review_lines,
    tokens_text,
    validation_lines,
)
from api.terminal.text.human_units import age, duration, money, plural, seconds_of
from api.terminal.text.styled_line import BLANK, Line
from api.terminal.text.token_counts import Tokens
from api.terminal.text.untrusted_fields import Fields


def report_lines(view: dict[str, Any]) -> list[Line]:
    """The record from top to bottom; parts that the run did not come to are left out."""
    run = Fields(view)
    parts = [
        _head(run),
        _part("messages", message_lines(run)),
        _part("environment", environment_lines(made) if (made := run.inner("environment")) else []),
        _part("baseline", baseline_lines(base) if (base := run.inner("baseline")) else []),
        _part("plan", plan_lines(run.inner("plan")) if run.inner("plan") else []),
        *(
            _part(_numbered("validation", number), validation_lines(validation))
            for number, validation in enumerate(run.each("validations"), 1)
        ),
        *(
            _part(_numbered("review", number), review_lines(review))
            for number, review in enumerate(run.each("reviews"), 1)
        ),
        _part("gate", gate_lines(run.inner("gate")) if run.inner("gate") else []),
        _part("branch" if is_local(run) else "pull request", _published(run.inner("pr"))),
        _part("roles", _roles(run)),
        _part("error", error_lines(run.inner("error"), 2) if run.inner("error") else []),
    ]
    lines: list[Line] = []
    for part in parts:
        if part:
            lines += [*([BLANK] if lines else []), *part]
    return lines


def _head(run: Fields) -> list[Line]:
    prompt = [Line(line, tone="strong") for line in run.text("prompt").splitlines()]
    created, updated = seconds_of(run.line("createdAt")), seconds_of(run.line("updatedAt"))
    times = []
    if created is not None:
        since = age(time.time() - created)
        times.append("started just now" if since == "now" else f"started {since} ago")
        if updated is not None:
            times.append(f"worked on for {duration(updated - created)}")
    return [
        *prompt,
        Line(run.line("repoUrl"), tone="dim"),
        Line(f"run {run.line('runId')}", tone="dim"),
        BLANK,
        end_line(run),
        *explanation_lines(run),
        *_how_to_go_on(run),
        Line(" · ".join(times), indent=2, tone="dim"),
        Line(f"{_tokens(run)} · {money(run.number('costUsd'))}", indent=2, tone="dim"),
    ]


def _how_to_go_on(run: Fields) -> list[Line]:
    if not run.flag("abandoned"):
        return []
    resume = f"coding-agent resume {run.line('runId')}"
    return [Line(f"Carry it on with {resume}, or start a server: it picks it up.", indent=2)]


def _part(name: str, lines: list[Line]) -> list[Line]:
    return [Line(name, tone="strong"), *lines] if lines else []


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"


def _published(pr: Fields) -> list[Line]:
    if not pr:
        return []
    rows = (("address", pr.line("url")), ("branch", pr.line("branch")), ("patch", pr.line("patch")))
    lines = [Line(f"{name:<8} {value}", indent=2, whole=True) for name, value in rows if value]
    return [*(pr_lines(pr) if pr.has("number") else []), *lines]


def _roles(run: Fields) -> list[Line]:
    roles = run.inner("roles")
    lines = []
    for name in roles.names():
        role = roles.inner(name)
        turns = role.whole("turns")
        parts = [
            plural(turns, "turn") if turns is not None else "",
            _tokens(role),
            money(role.number("costUsd")),
        ]
        lines.append(Line(f"{name:<9} " + " · ".join(part for part in parts if part), indent=2))
    return lines


def _tokens(part: Fields) -> str:
    return tokens_text(Tokens.of(part.inner("usage")))
