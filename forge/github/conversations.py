"""Conversations on GitHub: who may write, reactions, comments."""

import asyncio
import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from forge.core.conversations import (
    Attachment,
    Comment,
    Conversations,
    OpenedPull,
    Place,
    Reaction,
    ReviewWords,
    SubmittedReview,
)
from forge.github.answers import read_login
from forge.github.attachments import fetch_attachment, find_signed
from forge.github.connection import Connection, send
from graph import Emit, PictureText, unheard
from graph.errors import ForgeForbidden, RepositoryNotFound

if TYPE_CHECKING:
    from forge.github.connection import Api

_FULL: Final = "application/vnd.github.full+json"
"""With the text as GitHub shows it."""
_NOT_SHOWN: Final = Attachment(problem="GitHub does not show it there")
_PAGE: Final = 100
_MOST_PAGES: Final = 10


class GitHubConversations(Connection, Conversations):
    """The account's part in issues and pull requests, over the same connection."""

    async def may_write(self, full_name: str, login: str) -> bool:
        def get(github: "Api") -> bool:
            path = f"/repos/{full_name}/collaborators/{login}/permission"
            answer = github.requester.requestJsonAndCheck("GET", path)[1]
            return answer["permission"] in ("admin", "maintain", "write")

        try:
            return await self._read("who may write", get, unheard, repo=full_name)
        except (RepositoryNotFound, ForgeForbidden):
            return False

    async def add_reaction(
        self, full_name: str, place: Place, number: int, reaction: Reaction
    ) -> None:
        folder = {"issue": "issues", "comment": "issues/comments"}.get(place, "pulls/comments")

        def add(github: "Api") -> None:
            path = f"/repos/{full_name}/{folder}/{number}/reactions"
            send(github, "POST", path, {"content": reaction})

        await self._write_once("a reaction", add, full_name)

    async def comments(self, full_name: str, number: int, limit: int) -> list[Comment]:
        def get(github: "Api") -> list[Comment]:
            path = f"/repos/{full_name}/issues/{number}/comments"
            first = _get_page(github, path, 1)
            found = [_read_comment(row) for row in first]
            if len(first) < _PAGE:
                return found[-limit:]
            issue = github.get_repo(full_name).get_issue(number)
            pages = math.ceil(int(issue.comments) / _PAGE)
            found = []
            for page in range(pages, max(pages - math.ceil(limit / _PAGE) - 1, 0), -1):
                found = [*map(_read_comment, _get_page(github, path, page)), *found]
            return found[-limit:]

        return await self._read("the comments", get, unheard, repo=full_name)

    async def attachments(
        self,
        full_name: str,
        number: int,
        comment: int,
        addresses: Sequence[str],
        most_bytes: int,
        of: PictureText = "comment",
    ) -> list[Attachment]:
        texts: dict[PictureText, str] = {
            "comment": f"issues/comments/{comment}" if comment else f"issues/{number}",
            "line": f"pulls/comments/{comment}",
            "review": f"pulls/{number}/reviews/{comment}",
        }

        def get(github: "Api") -> str:
            path = f"/repos/{full_name}/{texts[of]}"
            asked = {"Accept": _FULL}
            shown = github.requester.requestJsonAndCheck("GET", path, headers=asked)[1]
            return str(shown.get("body_html") or "")

        rendered = await self._read("an issue", get, unheard, repo=full_name)

        async def fetch(address: str) -> Attachment:
            return await fetch_attachment(address, most_bytes) if address else _NOT_SHOWN

        signed = find_signed(rendered, self.access.web, addresses)
        return [*await asyncio.gather(*map(fetch, signed))]

    async def submitted_reviews(
        self, full_name: str, pull: int, emit: Emit = unheard
    ) -> list[SubmittedReview]:
        def get(github: "Api") -> list[SubmittedReview]:
            rows = _get_pages(github, f"/repos/{full_name}/pulls/{pull}/reviews")
            return [_read_submitted(row) for row in rows if row.get("submitted_at")]

        return await self._read("the reviews", get, emit, repo=full_name)

    async def review_words(self, full_name: str, pull: int, review: int) -> list[ReviewWords]:
        def get(github: "Api") -> list[ReviewWords]:
            path = f"/repos/{full_name}/pulls/{pull}/reviews/{review}"
            itself = github.requester.requestJsonAndCheck("GET", path)[1]
            lines = _get_pages(github, f"{path}/comments")
            return [_read_review(itself), *map(_read_line, lines)]

        return await self._read("the review", get, unheard, repo=full_name)

    async def pulls_opened_by(
        self, full_name: str, login: str, emit: Emit = unheard
    ) -> list[OpenedPull]:
        def get(github: "Api") -> list[OpenedPull]:
            asked = {"creator": login, "state": "open", "per_page": _PAGE}
            path = f"/repos/{full_name}/issues"
            rows = github.requester.requestJsonAndCheck("GET", path, parameters=asked)[1]
            return [_read_opened(row) for row in rows if row.get("pull_request")]

        return await self._read("the open pull requests", get, emit, repo=full_name)

    async def answer_review_comment(
        self, full_name: str, pull: int, comment: int, body: str
    ) -> None:
        def find_thread(github: "Api") -> int:
            path = f"/repos/{full_name}/pulls/comments/{comment}"
            row = github.requester.requestJsonAndCheck("GET", path)[1]
            return int(row.get("in_reply_to_id") or row["id"])

        def answer(github: "Api") -> None:  # GitHub takes no reply to a reply
            path = f"/repos/{full_name}/pulls/{pull}/comments/{thread}/replies"
            send(github, "POST", path, {"body": body})

        thread = await self._read("a comment", find_thread, unheard, repo=full_name)
        await self._write_once("an answer", answer, full_name)

    async def create_comment(self, full_name: str, number: int, body: str) -> int:
        def create(github: "Api") -> int:
            path = f"/repos/{full_name}/issues/{number}/comments"
            made = send(github, "POST", path, {"body": body})
            return int(made["id"])

        return await self._write_once("a comment", create, full_name)

    async def edit_comment(self, full_name: str, comment: int, body: str) -> None:
        def edit(github: "Api") -> None:
            path = f"/repos/{full_name}/issues/comments/{comment}"
            send(github, "PATCH", path, {"body": body})

        await self._write_once("a comment", edit, full_name)


def _get_pages(github: "Api", path: str) -> list[Any]:
    """The rows of a list that GitHub gives oldest first, and in no other order."""
    rows: list[Any] = []
    for page in range(1, _MOST_PAGES + 1):
        found = _get_page(github, path, page)
        rows += found
        if len(found) < _PAGE:
            break
    return rows


def _get_page(github: "Api", path: str, page: int) -> list[Any]:
    asked = {"per_page": _PAGE, "page": page}
    rows: list[Any] = github.requester.requestJsonAndCheck("GET", path, parameters=asked)[1]
    return rows


def _read_opened(row: Any) -> OpenedPull:
    return OpenedPull(int(row["number"]), str(row["html_url"]), str(row.get("body") or ""))


def _read_review(row: Any) -> ReviewWords:
    return ReviewWords(
        author=read_login(row),
        body=str(row.get("body") or ""),
        edited_at=_time(row["submitted_at"]),
        changes_requested=_requests_changes(row),
    )


def _read_submitted(row: Any) -> SubmittedReview:
    return SubmittedReview(
        number=int(row["id"]),
        author=read_login(row),
        body=str(row.get("body") or ""),
        changes_requested=_requests_changes(row),
        submitted_at=_time(row["submitted_at"]),
    )


def _requests_changes(row: Any) -> bool:
    return str(row.get("state", "")).upper() == "CHANGES_REQUESTED"


def _read_line(row: Any) -> ReviewWords:
    line = row.get("line") or row.get("original_line")
    return ReviewWords(
        author=read_login(row),
        body=str(row.get("body") or ""),
        edited_at=_time(row["updated_at"]),
        number=int(row["id"]),
        path=str(row.get("path") or ""),
        line=int(line) if line else None,
    )


def _time(text: Any) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def _read_comment(row: Any) -> Comment:
    created, edited = _time(row["created_at"]), _time(row["updated_at"])
    return Comment(int(row["id"]), read_login(row), str(row.get("body") or ""), created, edited)
