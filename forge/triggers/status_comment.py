"""The one comment below an issue: what became of what was asked for, its cost, what to do next."""

from dataclasses import dataclass
from typing import Final

from forge.text.sanitize_markdown import code, line, paragraphs
from graph import Status

_MOST: Final = 400
_LONGEST: Final = 1_500
_MARK: Final = "<!-- coding-agent -->"
_WAITS: Final[dict[Status, str]] = {
    "queued": "It begins once a place is free.",
    "running": "Working on it.",
    "waiting": "The plan waits for an answer.",
}
_ENDS: Final[dict[Status, str]] = {
    "succeeded": "Done.",
    "no_changes": "Nothing to change.",
    "rejected": "The plan was rejected.",
    "incomplete": "Not finished: what there is, is a draft.",
    "blocked": "Not published: the gate or the forge refused the change.",
    "budget_exhausted": "Stopped: the money or tokens of the run are used up.",
    "timed_out": "Stopped: the time of the run is used up.",
    "failed": "Failed.",
    "interrupted": "Interrupted.",
    "cancelled": "Stopped.",
}


@dataclass(frozen=True)
class RunStatus:
    """What the comment tells of a run; `reason` is a stable code, `note` a sentence.

    `explanation` says in a role's words why there is nothing to change.
    """

    run_id: str
    status: Status
    cost_usd: float | None
    reason: str | None = None
    pull_url: str | None = None
    note: str = ""
    explanation: str = ""
    resumable: bool = False


def write_comment(run: RunStatus, trigger: str) -> str:
    """The comment's text. `trigger` is the word that begins commands, as it can be copied."""
    told = _WAITS.get(run.status) or _ENDS[run.status]
    if run.reason == "contributions_refused":
        told = "The repository takes no contributions of coding agents."
    parts = [told]
    if run.pull_url:
        parts.append(f"Pull request: {run.pull_url}")
    if run.status in _ENDS and run.status != "succeeded" and run.reason:
        parts.append(f"Reason: {code(run.reason, _MOST)}.")
    if run.explanation:
        parts.append(paragraphs(run.explanation, _LONGEST))
    if run.note:
        parts.append(line(run.note, _MOST))
    cost = "cost not known" if run.cost_usd is None else f"${run.cost_usd:.2f} so far"
    parts.append(f"Run {code(run.run_id, _MOST)}, {cost}.")
    if run.status in _WAITS:
        parts.append(f"To stop it, comment `{trigger} stop`.")
    elif run.resumable:
        parts.append(f"To go on with it, comment `{trigger} resume`.")
    return "\n\n".join([*parts, _MARK])


def write_note(text: str) -> str:
    """A comment where there is no run to tell of."""
    return f"{line(text, _MOST)}\n\n{_MARK}"


def is_ours(body: str) -> bool:
    """Whether a comment of our account is one of these."""
    return body.rstrip().endswith(_MARK)
