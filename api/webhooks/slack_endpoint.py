"""A notice as a message in Slack: what became of the run, its cost, its proof, and links."""

from typing import Final
from unicodedata import category

import httpx
from pydantic import SecretStr

from api.webhooks.notice import Notice
from graph import format_usd
from runs.model import RunRecord

_PROMPT: Final = 150
_VALIDATIONS: Final = {
    "passed": "checks passed",
    "failed": "checks failed",
    "unavailable": "no check could run",
}
_VERDICTS: Final = {"approve": "review approved", "request_changes": "review asks for changes"}
_UNSEEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class SlackEndpoint:
    """An incoming webhook of Slack. `page` is the address of the service's page, if it has one."""

    name = "Slack"

    def __init__(self, url: SecretStr, page: str = "") -> None:
        self._url = url
        self._page = page

    def request(self, notice: Notice) -> httpx.Request:
        text = message(notice, self._page)
        return httpx.Request("POST", self._url.get_secret_value(), json={"text": text})


def message(notice: Notice, page: str) -> str:
    """The message's text, with what others wrote as plain text."""
    run = notice.run
    first = (run.request["prompt"].strip().splitlines() or [""])[0]
    prompt = first if len(first) <= _PROMPT else f"{first[:_PROMPT]}…"
    repository = "/".join(run.request["repo_url"].rstrip("/").removesuffix(".git").split("/")[-2:])
    lines = [
        f"*{_headline(notice)}*  {_plain(repository)}",
        _plain(prompt),
        " · ".join(filter(None, (_cost(run), *_proof(run)))),
        " · ".join(_links(run, page)),
    ]
    return "\n".join(filter(None, lines))


def _headline(notice: Notice) -> str:
    if notice.kind == "run.waiting":
        return "A plan waits for an answer"
    if notice.kind == "run.needs_money":
        return "The budget is spent"
    status = notice.run.status.replace("_", " ").capitalize()
    return f"{status} ({notice.run.reason})" if notice.run.reason else status


def _cost(run: RunRecord) -> str:
    if run.cost_usd is None:
        return "cost unknown"
    limit = run.request.get("max_cost_usd")
    cost = format_usd(run.cost_usd)
    return f"{cost} of {format_usd(limit)}" if limit else cost


def _proof(run: RunRecord) -> list[str]:
    found = (_VALIDATIONS.get(run.validation or ""), _VERDICTS.get(run.verdict or ""))
    return [text for text in found if text]


def _links(run: RunRecord, page: str) -> list[str]:
    links = []
    if run.pr and run.pr.url:
        draft = "draft " if run.pr.draft else ""
        links.append(f"<{_plain(run.pr.url)}|{draft}pull request #{run.pr.number}>")
    links.append(f"<{page}/#/runs/{run.run_id}|run>" if page else f"run {_plain(run.run_id)}")
    return links


def _plain(text: str) -> str:
    """Text that Slack shows as it is: no link, no mention, nothing that turns its direction."""
    shown = (char for char in text if char.isspace() or category(char) not in _UNSEEN)
    return " ".join("".join(shown).translate(_ENTITIES).split())
