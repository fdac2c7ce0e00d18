"""Parts of what a pull request and its receipt tell, each harmless where a forge renders it."""

from collections.abc import Sequence
from typing import Final

from forge.text.sanitize_markdown import code, code_block, line, paragraphs
from graph import (
    FACT_RULES,
    GAP_RULES,
    NOTE_RULES,
    CommandReport,
    Environment,
    Finding,
    GateReport,
    Plan,
    Proof,
    ProofTest,
    Publication,
    Review,
    Validation,
    own_settings,
)

MAX_LINE: Final = 400
MAX_SUMMARY: Final = 4_000
_MAX_CODE: Final = 300
_MAX_ITEMS: Final = 40
_MAX_SETTINGS: Final = 10_000
_STATUS: Final = {
    "passed": "passed",
    "failed": "failed",
    "stopped": "stopped",
    "unavailable": "could not be run",
}


def plan_section(plan: Plan | None) -> str:
    return f"### Plan\n\n{paragraphs(plan.summary, MAX_SUMMARY)}" if plan and plan.summary else ""


def validation_items(validation: Validation | None) -> list[str]:
    """What was run and how it ended, what the change's own tests show first of all."""
    if validation is None:
        return ["Not validated."]
    gaps = [finding for finding in validation.findings if finding.rule in GAP_RULES]
    if not validation.commands and not gaps:
        return [f"Checks: {_STATUS[validation.status]}."]
    items = [tell_proof(validation.proof)]
    items += [tell_command(report) for report in validation.commands]
    items += [f"Not validated: {line(gap.message, MAX_LINE)}" for gap in gaps]
    items += [f"Fails since this change: {name_code(name)}" for name in validation.new_failures]
    known, flaky = validation.known_failures, validation.flaky
    items += [f"Failed before this change too: {name_code(name)}" for name in known]
    items += [f"Flaky, passes or fails with and without it: {name_code(name)}" for name in flaky]
    return [item for item in items if item]


def tell_proof(proof: Proof | None) -> str:
    """What the change's own tests show, the first line of all."""
    if proof is None:
        return ""
    if proof.not_tried and not proof.tests:
        return _not_tried(proof)
    showing = [test for test in proof.tests if _shows(test)]
    if not showing:
        unloaded = [test for test in proof.tests if test.without_change == "not_importable"]
        told = f" {_first(unloaded)}: cannot be imported without it." if unloaded else ""
        rest = f" {_not_tried(proof)}" if proof.not_tried else ""
        return f"No test shows this change.{told}{rest}"
    return f"{_first(showing)}: fails without this change, passes with it."


def _first(tests: Sequence[ProofTest]) -> str:
    return name_code(tests[0].id) + (f" and {len(tests) - 1} more" if len(tests) > 1 else "")


def _not_tried(proof: Proof) -> str:
    files = ", ".join(map(name_code, proof.not_tried))
    return f"Not tried without this change: the tests in {files}."


def _shows(test: ProofTest) -> bool:
    return test.without_change == "failed" and test.with_change == "passed"


def tell_command(report: CommandReport) -> str:
    exit_code = "" if report.exit_code is None else f", exit code {report.exit_code}"
    counts = f", {line(report.counts, _MAX_CODE)}" if report.counts else ""
    after = f" after {report.duration_ms / 1000:.0f} s" if report.status == "stopped" else ""
    shown = code(report.shell, _MAX_CODE)
    return f"{shown}: {_STATUS[report.status]}{after}{exit_code}{counts}"


def name_code(text: str) -> str:
    return code(text, _MAX_CODE)


def review_section(review: Review | None) -> str:
    if review is None:
        return "### Review\n\nNot reviewed."
    verdict = "Approved" if review.verdict == "approve" else "Changes requested"
    summary = paragraphs(review.summary, MAX_SUMMARY)
    head = f"### Review\n\n{verdict}." + (f"\n\n{summary}" if summary else "")
    items = bullets([f"{finding.severity}: {tell_finding(finding)}" for finding in review.findings])
    return f"{head}\n\n{items}" if items else head


def test_items(validation: Validation | None) -> list[str]:
    told = validation.findings if validation else ()
    findings = [finding for finding in told if finding.rule not in (*GAP_RULES, *NOTE_RULES)]
    by_pattern = " (by a pattern, which may be mistaken)"
    return [
        f"{each.severity}: {tell_finding(each)}{'' if each.rule in FACT_RULES else by_pattern}"
        for each in findings
    ]


def note_items(validation: Validation | None) -> list[str]:
    """What the repository asks of each change and this one lacks."""
    told = validation.findings if validation else ()
    return [tell_finding(finding) for finding in told if finding.rule in NOTE_RULES]


def set_up_items(environment: Environment | None) -> list[str]:
    """What made the trees ready, and what of it could not be had."""
    if environment is None:
        return []
    items = [f"Ran {code(command.shell, _MAX_CODE)}." for command in environment.made]
    if environment.tools:
        told = (f"{name} {version}" for name, version in environment.tools.items())
        items.append(f"With {line(', '.join(told), MAX_LINE)}.")
    if environment.services:
        told = (f"{each.name} on port {each.port}" for each in environment.services)
        items.append(f"Beside the checks: {line(', '.join(told), MAX_LINE)}.")
    items += [
        f"Left out: {line(part.what, MAX_LINE)}: {line(part.why, MAX_LINE)}"
        for part in environment.left_out
    ]
    if maker := line(environment.maker, MAX_LINE):
        items.append(f"The commands were found by the model in run {code(maker, _MAX_CODE)}.")
    return items


def recipe_section(publication: Publication) -> str:
    """What a model found, as lines of the file that make it the repository's own."""
    environment, baseline = publication.environment, publication.baseline
    if environment is None or not environment.maker:
        return ""
    reports = baseline.commands if baseline else ()
    checks = [report.shell for report in reports if report.status in ("passed", "failed")]
    block = code_block(own_settings(environment, checks), "toml", _MAX_SETTINGS)
    summary = "<summary>Keep this set-up: put this into <code>.coding-agent.toml</code></summary>"
    return f"<details>\n{summary}\n\n{block}\n\n</details>" if block else ""


def gate_items(gate: GateReport) -> list[str]:
    return [f"{finding.rule}: {tell_finding(finding)}" for finding in gate.findings]


def tell_finding(finding: Finding) -> str:
    place = finding.path + (f":{finding.line}" if finding.line else "")
    message = line(finding.message, MAX_LINE)
    return f"{code(place, _MAX_CODE)} {message}" if place else message


def join(*parts: str) -> str:
    """The parts that are not empty, a blank line between them."""
    return "\n\n".join(part for part in parts if part)


def section(heading: str, items: list[str]) -> str:
    return f"### {heading}\n\n{bullets(items)}" if items else ""


def bullets(items: list[str]) -> str:
    shown = [f"- {item}" for item in items[:_MAX_ITEMS]]
    if len(items) > _MAX_ITEMS:
        shown.append(f"- … and {len(items) - _MAX_ITEMS} more")
    return "\n".join(shown)


def receipt_sections(publication: Publication, starts: Sequence[str]) -> str:
    """What a receipt tells beside its tables; `starts`: what the repository's automation will do.

    The recipe comes last: it may be long, and is whole or not there.
    """
    notes = [line(note, MAX_LINE) for note in (*publication.cautions, *publication.base.notes)]
    sections = [
        plan_section(publication.plan),
        review_section(publication.review),
        section("What the change does to tests", test_items(publication.validation)),
        section(
            "Worth a look",
            [*note_items(publication.validation), *gate_items(publication.gate)],
        ),
        section("Set-up", set_up_items(publication.environment)),
        section("What this starts", [line(text, MAX_LINE) for text in starts]),
        section("About the repository", notes),
        recipe_section(publication),
    ]
    return join(*sections)
