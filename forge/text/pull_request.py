"""What a pull request shows: what and why, the proof, what was run and not, where to look first.

A squash merge may make it the commit's message, so it is short. All else is in the receipt.
"""

from collections.abc import Sequence
from typing import Final

from forge.text.conventions import NO_CONVENTIONS, Conventions, follow
from forge.text.sanitize_markdown import line, paragraphs
from forge.text.sections import (
    gate_items,
    join,
    note_items,
    tell_finding,
    test_items,
    validation_items,
)
from forge.text.template import fill
from graph import Publication, Review

MAX_TITLE: Final = 120
MAX_CHARACTERS: Final = 2_000
MAX_LINES: Final = 25
ORIGIN: Final = "Made by a coding agent"
"""What every pull request says of itself."""
_UNTITLED: Final = "Change of the code"
_LEAST_LINES: Final = 3
_LEAST_CHARACTERS: Final = 200
_MAX_ITEM: Final = 200
_EXTRAS: Final = ("labels", "reviewers")
_SHARES: Final = (1.0, 0.5, 0.2)
"""So much of each list is shown, the first that has room."""


def title(publication: Publication, conventions: Conventions = NO_CONVENTIONS) -> str:
    """One line: the caller's title, else the change's or the plan's, as the base's commits are."""
    if asked := line(publication.title, MAX_TITLE):
        return asked
    plan, change = publication.plan, publication.change
    texts = (change.title, plan.summary if plan else "", _UNTITLED)
    own = next(made for text in texts if (made := line(text, MAX_TITLE)))
    return line(follow(conventions, own, change.files, publication.ticket), MAX_TITLE)


def body(publication: Publication, template: str = "", later: str = "") -> str:
    """The pull request's text, of at most MAX_LINES and MAX_CHARACTERS.

    Neither the prompt, the run's id nor any command's output is in it. `template` is the
    repository's own: it is kept whole beside that, and takes what it asks for below its headings.
    There is room for `later` below, which may have to be added.
    """
    origin = _origin(publication)
    spare = _may_be_added(publication, later)
    for share in _SHARES:
        left, checked, look = _lists(publication, share)
        remaining = _titled("What is left", left)
        beside = join(remaining, _titled("Validation", checked), look, f"{origin}{spare}")
        lines, room = MAX_LINES - 2 - beside.count("\n"), MAX_CHARACTERS - 2 - len(beside)
        if lines >= _LEAST_LINES and room >= _LEAST_CHARACTERS:
            break
    summary = _fit(publication.change.summary, lines, room)
    filled, placed = fill(template, {"summary": summary, "validation": checked})
    return join(
        remaining if filled else "",
        filled,
        "" if "summary" in placed else summary,
        "" if filled else remaining,
        "" if "validation" in placed else _titled("Validation", checked),
        look,
        origin,
    )


def _lists(publication: Publication, share: float) -> tuple[str, str, str]:
    """What is left, what was checked, and where to look first."""
    review = publication.review
    findings = sorted(review.findings if review else (), key=lambda each: each.severity != "error")
    look = [
        *publication.cautions,
        *test_items(publication.validation),
        *note_items(publication.validation),
        *gate_items(publication.gate),
        *map(tell_finding, findings),
        *publication.base.notes,
    ]
    checked = _list(validation_items(publication.validation), 4 * share)
    return (
        _list(publication.remaining, 3 * share),
        f"{checked}\n- {_verdict(review)}",
        _titled("Look first", _list(look, 3 * share)),
    )


def tell_rejected(forge: str, rejected: Sequence[str]) -> str:
    """What is added where the forge refused labels or reviewers."""
    return f"{forge} did not take the {' and '.join(rejected)} that were asked for."


def _may_be_added(publication: Publication, later: str) -> str:
    """The longest that may be added below."""
    asked = publication.labels or publication.reviewers
    rejected = tell_rejected("The forge", _EXTRAS) if asked else ""
    return "".join(f"\n\n{each}" for each in (later, rejected) if each)


def _fit(text: str, lines: int, room: int) -> str:
    """As much of a text as there is room for; what makes it harmless may make it longer."""
    limit = room
    shown = paragraphs(text, limit)
    while limit > 0 and (len(shown) > room or shown.count("\n") >= lines):
        limit = limit * 3 // 4
        shown = paragraphs(text, limit)
    return shown


def _list(items: Sequence[str], most: float) -> str:
    """A short list; what there is no room for is in the receipt."""
    shown = [line(item, _MAX_ITEM) for item in items[: max(1, round(most))]]
    if len(items) > len(shown):
        shown.append(f"… and {len(items) - len(shown)} more")
    return "\n".join(f"- {item}" for item in shown)


def _titled(heading: str, text: str) -> str:
    return text and f"**{heading}**\n{text}"


def _verdict(review: Review | None) -> str:
    if review is None:
        return "Not reviewed."
    return "Review: approved." if review.verdict == "approve" else "Review: changes requested."


def _origin(publication: Publication) -> str:
    asked = line(publication.requested_by, _MAX_ITEM)
    by = f", requested by {asked}" if asked else ""
    closes = f"Closes #{publication.closes}.\n\n" if publication.closes else ""
    return f"{closes}{ORIGIN}{by}. The receipt says what was run and what it cost."
