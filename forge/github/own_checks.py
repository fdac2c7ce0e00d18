"""Check runs on GitHub, which an App alone may make."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from forge.core.own_checks import OwnCheck, OwnChecks
from forge.github.connection import Connection, send
from graph import unheard

if TYPE_CHECKING:
    from forge.github.connection import Api

_BOT: Final = "[bot]"


class GitHubOwnChecks(Connection, OwnChecks):
    """Makes check runs over the same connection."""

    @property
    def makes_checks(self) -> bool:
        return self._app is not None

    async def begin_check(self, full_name: str, commit: str, name: str, title: str) -> int:
        sent: dict[str, Any] = {"name": name, "head_sha": commit, "status": "in_progress"}
        sent["started_at"] = _now()
        sent["output"] = {"title": title, "summary": title}

        def create(github: "Api") -> int:
            path = f"/repos/{full_name}/check-runs"
            made = send(github, "POST", path, sent)
            return int(made["id"])

        return await self._write_once("a check", create, full_name)

    async def show_check(self, full_name: str, check: int, title: str) -> None:
        sent: dict[str, Any] = {"status": "in_progress"}
        sent["output"] = {"title": title, "summary": title}
        await self._edit_check(full_name, check, sent)

    async def end_check(self, full_name: str, check: int, title: str, page: str) -> None:
        sent: dict[str, Any] = {"status": "completed", "conclusion": "neutral"}
        sent["completed_at"] = _now()
        sent["output"] = {"title": title, "summary": page}
        await self._edit_check(full_name, check, sent)

    async def _edit_check(self, full_name: str, check: int, sent: dict[str, Any]) -> None:
        def edit(github: "Api") -> None:
            path = f"/repos/{full_name}/check-runs/{check}"
            send(github, "PATCH", path, sent)

        await self._write_once("a check", edit, full_name)

    async def checks_named(self, full_name: str, commit: str, name: str) -> list[OwnCheck]:
        def get(github: "Api") -> list[OwnCheck]:
            asked = f"check_name={quote(name, safe='')}&filter=all&per_page=100"
            path = f"/repos/{full_name}/commits/{quote(commit, safe='')}/check-runs?{asked}"
            rows = github.requester.requestJsonAndCheck("GET", path)[1]["check_runs"]
            found = [_read_check(row) for row in rows if row["name"] == name]
            return sorted(found, key=lambda check: -check.number)

        return await self._read("the checks", get, unheard, repo=full_name)


def _read_check(row: Any) -> OwnCheck:
    slug = str((row.get("app") or {}).get("slug") or "")
    return OwnCheck(
        number=int(row["id"]),
        author=f"{slug}{_BOT}" if slug else "",
        page=str((row.get("output") or {}).get("summary") or ""),
        ended=row["status"] == "completed",
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
