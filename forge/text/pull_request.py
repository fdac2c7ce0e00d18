"""What a pull request says: what and why, how it was validated, what is left."""

from collections.abc import Sequence
from typing import Final

from forge.text.conventions import NO_CONVENTIONS, Conventions, follow
from forge.text.sanitize_markdown import code, code_block, cut, line, paragraphs
from forge.text.template import fill
from graph import (
    FACT_RULES,
    GAP_RULES,
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

MAX_TITLE: Final = 120
_UNTITLED: Final = "Change of the code"
MAX_BODY: Final = 60_000
_MAX_SUMMARY: Final = 8_000
_MAX_LINE: Final = 400
_MAX_CODE: Final = 300
_MAX_ITEMS: Final = 40
_MAX_SETTINGS: Final = 10_000
_STATUS: Final = {
    "passed": "passed",
    "failed": "failed",
    "stopped": "stopped",
    "unavailable": "could not be run",
}


def title(publication: Publication, conventions: Conventions = NO_CONVENTIONS) -> str:
    """One line: the caller's title, else the change's or the plan's, as the base's commits are."""
    if asked := line(publication.title, MAX_TITLE):
        return asked
    plan, change = publication.plan, publication.change
    texts = (change.title, plan.summary if plan else "", _UNTITLED)
    own = next(made for text in texts if (made := line(text, MAX_TITLE)))
    return line(follow(conventions, own, change.files, publication.ticket), MAX_TITLE)


def body(publication: Publication, template: str = "", starts: Sequence[str] = ()) -> str:
    """The pull request's text. Neither the prompt nor any command's output is in it.

    `template` is the repository's own: it comes first but for what is left to do, and takes what
    it asks for below its headings. `starts`: what the repository's automation will do.
    """
    summary = paragraphs(publication.change.summary, _MAX_SUMMARY)
    validation = _validation(publication.validation)
    remaining = _section("What is left", [line(text, _MAX_LINE) for text in publication.remaining])
    filled, placed = fill(template, {"summary": summary, "validation": validation})
    sections = [
        remaining if filled else "",
        filled,
        "" if "summary" in placed else summary,
        _plan(publication.plan),
        "" if "validation" in placed else f"### Validation\n\n{validation}",
        _review(publication.review),
        "" if filled else remaining,
        _section("What the change does to tests", _on_tests(publication.validation)),
        _section("Worth a look", _warnings(publication.gate)),
        _section("Set-up", _set_up(publication.environment)),
        _recipe(publication),
        _section("What this starts", [line(text, _MAX_LINE) for text in starts]),
        _section(
            "About the repository", [line(note, _MAX_LINE) for note in publication.base.notes]
        ),
    ]
    text = "\n\n".join(section for section in sections if section)
    return f"{cut(text, MAX_BODY)}\n\n---\n{_origin(publication)}"


def _plan(plan: Plan | None) -> str:
    return f"### Plan\n\n{paragraphs(plan.summary, _MAX_SUMMARY)}" if plan and plan.summary else ""


def _validation(validation: Validation | None) -> str:
    if validation is None:
        return "Not validated."
    gaps = [finding for finding in validation.findings if finding.rule in GAP_RULES]
    if not validation.commands and not gaps:
        return f"Checks: {_STATUS[validation.status]}."
    items = [_proof(validation.proof)]
    items += [_command(report) for report in validation.commands]
    items += [f"Not validated: {line(gap.message, _MAX_LINE)}" for gap in gaps]
    items += [f"Fails since this change: {_name(name)}" for name in validation.new_failures]
    items += [f"Failed before this change too: {_name(name)}" for name in validation.known_failures]
    items += [f"Flaky, passes or fails with and without it: {_name(n)}" for n in validation.flaky]
    return _items([item for item in items if item])


def _proof(proof: Proof | None) -> str:
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
    return _name(tests[0].id) + (f" and {len(tests) - 1} more" if len(tests) > 1 else "")


def _not_tried(proof: Proof) -> str:
    return f"Not tried without this change: the tests in {', '.join(map(_name, proof.not_tried))}."


def _shows(test: ProofTest) -> bool:
    return test.without_change == "failed" and test.with_change == "passed"


def _command(report: CommandReport) -> str:
    exit_code = "" if report.exit_code is None else f", exit code {report.exit_code}"
    counts = f", {line(report.counts, _MAX_CODE)}" if report.counts else ""
    after = f" after {report.duration_ms / 1000:.0f} s" if report.status == "stopped" else ""
    shown = code(report.shell, _MAX_CODE)
    return f"{shown}: {_STATUS[report.status]}{after}{exit_code}{counts}"


def _name(text: str) -> str:
    return code(text, _MAX_CODE)


def _review(review: Review | None) -> str:
    if review is None:
        return "### Review\n\nNot reviewed."
    verdict = "Approved" if review.verdict == "approve" else "Changes requested"
    summary = paragraphs(review.summary, _MAX_SUMMARY)
    head = f"### Review\n\n{verdict}." + (f"\n\n{summary}" if summary else "")
    items = _items([f"{finding.severity}: {_finding(finding)}" for finding in review.findings])
    return f"{head}\n\n{items}" if items else head


def _on_tests(validation: Validation | None) -> list[str]:
    told = validation.findings if validation else ()
    findings = [finding for finding in told if finding.rule not in GAP_RULES]
    by_pattern = " (by a pattern, which may be mistaken)"
    return [
        f"{finding.severity}: {_finding(finding)}{'' if finding.rule in FACT_RULES else by_pattern}"
        for finding in findings
    ]


def _set_up(environment: Environment | None) -> list[str]:
    """What made the trees ready, and what of it could not be had."""
    if environment is None:
        return []
    items = [f"Ran {code(command.shell, _MAX_CODE)}." for command in environment.made]
    if environment.tools:
        told = (f"{name} {version}" for name, version in environment.tools.items())
        items.append(f"With {line(', '.join(told), _MAX_LINE)}.")
    if environment.services:
        told = (f"{each.name} on port {each.port}" for each in environment.services)
        items.append(f"Beside the checks: {line(', '.join(told), _MAX_LINE)}.")
    items += [
        f"Left out: {line(part.what, _MAX_LINE)}: {line(part.why, _MAX_LINE)}"
        for part in environment.left_out
    ]
    if maker := line(environment.maker, _MAX_LINE):
        items.append(f"The commands were found by the model in run {code(maker, _MAX_CODE)}.")
    return items


def _recipe(publication: Publication) -> str:
    """What a model found, as lines of the file that make it the repository's own."""
    environment, baseline = publication.environment, publication.baseline
    if environment is None or not environment.maker:
        return ""
    reports = baseline.commands if baseline else ()
    checks = [report.shell for report in reports if report.status in ("passed", "failed")]
    block = code_block(own_settings(environment, checks), "toml", _MAX_SETTINGS)
    summary = "<summary>Keep this set-up: put this into <code>.coding-agent.toml</code></summary>"
    return f"<details>\n{summary}\n\n{block}\n\n</details>" if block else ""


def _warnings(gate: GateReport) -> list[str]:
    return [f"{finding.rule}: {_finding(finding)}" for finding in gate.findings]


def _finding(finding: Finding) -> str:
    place = finding.path + (f":{finding.line}" if finding.line else "")
    message = line(finding.message, _MAX_LINE)
    return f"{code(place, _MAX_CODE)} {message}" if place else message


def _section(heading: str, items: list[str]) -> str:
    return f"### {heading}\n\n{_items(items)}" if items else ""


def _items(items: list[str]) -> str:
    shown = [f"- {item}" for item in items[:_MAX_ITEMS]]
    if len(items) > _MAX_ITEMS:
        shown.append(f"- … and {len(items) - _MAX_ITEMS} more")
    return "\n".join(shown)


def _origin(publication: Publication) -> str:
    asked = line(publication.requested_by, _MAX_LINE)
    by = f", requested by {asked}" if asked else ""
    closes = f"Closes #{publication.closes}.\n\n" if publication.closes else ""
    return f"{closes}Made by a coding agent in run {code(publication.run_id, _MAX_CODE)}{by}."
