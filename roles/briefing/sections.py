"""The parts of a role's first message."""

import asyncio
from collections.abc import Sequence
from typing import Final

from graph import (
    FACT_RULES,
    GAP_RULES,
    NO_ENVIRONMENT,
    NOTE_RULES,
    CommandReport,
    Environment,
    Finding,
    Plan,
    RoleTask,
    Validation,
)
from roles.briefing.change_diff import ChangeDiff
from roles.briefing.untrusted_text import quote_untrusted
from roles.transcript.transcript import Message, holds

_WITHOUT: Final = {
    "passed": "passes",
    "failed": "fails",
    "not_importable": "cannot be imported",
    "missing": "is not found",
    "stopped": "is stopped",
}
_MAX_OUTPUT = 8_000
_MAX_LEFT_OUT = 2_000


def join(*parts: str) -> str:
    """The parts that are not empty, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def unsaid(conversation: Sequence[Message], *parts: str) -> list[str]:
    """Those of the parts that a conversation does not hold yet."""
    return [part for part in parts if not holds(conversation, part)]


def request(task: RoleTask) -> str:
    return f"<request>\n{task.prompt.strip()}\n</request>"


def plan(plan: Plan | None) -> str:
    if plan is None:
        return ""
    lines = [plan.summary, *(f"{number}. {step}" for number, step in enumerate(plan.steps, 1))]
    if plan.files:
        lines.append(f"Files: {', '.join(plan.files)}")
    return "<plan>\n" + "\n".join(lines) + "\n</plan>"


def changelog(task: RoleTask) -> str:
    """Where the base notes changes, so that this one is noted, too."""
    place = task.base.changelog
    if not place:
        return ""
    how = "a file of its own, named and written as" if place.endswith("/") else "a line as"
    return (
        f"The repository notes changes for its users in `{place}`. Note this one there, where they"
        f" will see something of it: {how} the others are."
    )


def limits(command_timeout_s: float) -> str:
    return f"A command is stopped after {command_timeout_s:.0f} s."


def checks(task: RoleTask) -> str:
    """The commands that decide whether the change passes, and what is known of each."""
    on_base = {report.shell: report for report in task.baseline.commands} if task.baseline else {}
    lacking = [name for name in task.checks if _cannot_start(on_base.get(name))]
    ready = [name for name in task.checks if name not in lacking]
    lines = [f"- `{name}`{_known_of(on_base.get(name))}" for name in ready]
    parts = ["\n".join(["The change will be checked by these commands:", *lines])] if ready else []
    if lacking:
        named = "\n".join(f"- `{name}`" for name in lacking)
        parts.append(
            "These checks cannot start here: what they call is not installed, and cannot be. Do "
            f"not try to run them, and do not write a stand-in for what is missing:\n{named}"
        )
    return join(*parts)


def _cannot_start(report: CommandReport | None) -> bool:
    return report is not None and report.status == "unavailable"


def _known_of(report: CommandReport | None) -> str:
    """How a check ends on the untouched base, and how long it takes."""
    if report is None:
        return ""
    counts = f", {report.counts}" if report.counts else ""
    seconds = f"{report.duration_ms / 1000:.0f} s"
    ended = {
        "passed": f"passes on the untouched base in {seconds}{counts}",
        "failed": f"fails on the untouched base too, after {seconds}{counts}",
        "stopped": f"is stopped by its limit on the untouched base, after {seconds}{counts}",
    }
    return f": {ended[report.status]}" if report.status in ended else ""


def setup(task: RoleTask) -> str:
    """What made the tree ready, what of it is missing, and that a role cannot repeat it."""
    environment = task.environment or NO_ENVIRONMENT
    return join(
        _commands(environment), tools(environment), _services(environment), _left_out(environment)
    )


def tools(environment: Environment) -> str:
    if not environment.tools:
        return ""
    told = ", ".join(f"{name} {version}" for name, version in environment.tools.items())
    return f"Installed: {told}."


def _services(environment: Environment) -> str:
    if not environment.services:
        return ""
    told = ", ".join(f"{each.name} (127.0.0.1:{each.port})" for each in environment.services)
    return f"Checks, and your commands but those that only read, run beside: {told}."


def _left_out(environment: Environment) -> str:
    if not environment.left_out:
        return ""
    parts = "\n".join(f"{part.what}: {part.why}" for part in environment.left_out)
    return "Set-up left these parts out; what needs them cannot run here:\n" + quote_untrusted(
        "left_out", parts, _MAX_LEFT_OUT
    )


def _commands(environment: Environment) -> str:
    commands = environment.made
    if not commands:
        return ""
    text = (
        "These commands made the tree ready. They are run again, with what they need, before the "
        "change is checked, where it touches what they read (such as a list of dependencies). A "
        "dependency that you add is not in this tree: write it where they read it, the lock file "
        "too, and leave what needs it to that check:"
    )
    if environment.fixed:
        text = (
            "These commands made the tree ready. They are not run again for the change: a "
            "dependency that you add is not there when it is checked. Do without a new one where "
            "you can; else write it where they read it, the lock file too, and say so:"
        )
    return "\n".join([text, *(f"- `{command.shell}`" for command in commands)])


async def diff(change: ChangeDiff | None, most: int) -> str:
    """The change as the trusted side wrote it."""
    if change is None:
        return "See the change with `git diff HEAD`."
    return await asyncio.to_thread(change.shown, most)


def failures(validation: Validation | None) -> str:
    """What failed, with both ends of its output."""
    if validation is None:
        return ""
    parts = [_failure(report) for report in validation.commands if report.status != "passed"]
    if validation.new_failures:
        named = "\n".join(validation.new_failures[:50])
        parts.append(
            f"New failures, compared with the base:\n{quote_untrusted('failures', named, 4_000)}"
        )
    if validation.known_failures:
        named = "\n".join(validation.known_failures[:50])
        parts.append(
            "These fail on the untouched base too and are not yours to fix:\n"
            + quote_untrusted("known_failures", named, 4_000)
        )
    if validation.flaky:
        parts.append(
            "These failed once and passed when run again, or now fail on the base, too. They are "
            "flaky, and nobody's to fix:\n"
            + quote_untrusted("flaky", "\n".join(validation.flaky[:50]), 4_000)
        )
    return join(*parts)


def _failure(report: CommandReport) -> str:
    ended: str = "could not be run" if report.status == "unavailable" else report.status
    if report.status == "stopped":
        came = f", after it reported {report.counts}" if report.counts else ""
        limit = f"its {report.limit} limit" if report.limit else "a limit"
        ended = f"was stopped by {limit} after {report.duration_ms / 1000:.0f} s{came}"
    code = f" with exit code {report.exit_code}" if report.exit_code is not None else ""
    output = quote_untrusted("output", report.output, _MAX_OUTPUT) if report.output.strip() else ""
    return f"`{report.shell}` {ended}{code}.\n{output}".rstrip()


def results(validation: Validation | None) -> str:
    """How each check ended, a line each."""
    if validation is None:
        return "The change was not validated."
    lines = [f"- `{report.shell}`: {report.status}" for report in validation.commands]
    return join(
        "\n".join(["Validation:", *lines]) if lines else "There was no check that could be run.",
        failures(validation),
        findings("What was not validated:", _of_rules(validation, GAP_RULES)),
        findings(
            "What the repository asks of each change. Is it an error to leave it out here?",
            _of_rules(validation, NOTE_RULES),
        ),
        _against_base(validation),
        _proof(validation),
    )


def _proof(validation: Validation) -> str:
    """What the change's own tests show of it, by a run over the base's sources."""
    proof = validation.proof
    if proof is None:
        return ""
    if not proof.tests and not proof.not_tried:
        return "No test shows this change: it adds and edits none. Does the request need one?"
    lines = [
        f"{test.id}: without this change {_WITHOUT[test.without_change]}, with it "
        f"{_WITHOUT[test.with_change]}"
        for test in proof.tests
    ]
    lines += [f"{name}: not tried" for name in proof.not_tried]
    if proof.shown:
        shown = "A test fails without this change and passes with it:"
    elif proof.tests:
        shown = (
            "No test shows this change: over the sources of the base, none of these fails "
            "that passes here. For a bug, ask for a test that does:"
        )
    else:
        shown = "Whether a test shows this change is not known: these files hold its tests."
    return f"{shown}\n{quote_untrusted('proof', chr(10).join(lines), _MAX_OUTPUT)}"


def _against_base(validation: Validation) -> str:
    """What showed with the base's own tests; what patterns found is shown as facts."""
    found = _of_rules(validation, FACT_RULES)
    if not found:
        return ""
    text = quote_untrusted("base_tests", findings("", found).strip(), _MAX_OUTPUT)
    return (
        "What the change has a say in of its own validation, and how checks end with tests and "
        "configuration as the base has them. Does the request call for each, or were checks "
        f"weakened to pass?\n{text}"
    )


def _of_rules(validation: Validation, rules: tuple[str, ...]) -> tuple[Finding, ...]:
    return tuple(finding for finding in validation.findings if finding.rule in rules)


def findings(title: str, found: tuple[Finding, ...]) -> str:
    if not found:
        return ""
    lines = [f"- {_finding(finding)}" for finding in found]
    return "\n".join([title, *lines])


def _finding(finding: Finding) -> str:
    line = f":{finding.line}" if finding.line else ""
    where = f" {finding.path}{line}:" if finding.path else ""
    return f"{finding.severity}{where} {finding.message}"
