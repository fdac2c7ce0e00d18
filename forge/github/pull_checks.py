"""Checks of pull requests on GitHub, and the logs of its Actions."""

import asyncio
import logging
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from forge.core.own_checks import OWN_CHECKS
from forge.core.pull_checks import CheckRun, CommitAuthor, PullChecks, PullState
from forge.core.retry import TransientError, Unprocessable
from forge.github.answers import read_login
from forge.github.connection import Connection, make_storage_client, send
from graph import unheard
from graph.errors import ForgeForbidden, RepositoryNotFound

if TYPE_CHECKING:
    from forge.github.connection import Api

log = logging.getLogger(__name__)

_FAILED: Final = frozenset(("failure", "timed_out", "startup_failure"))
_PASSED: Final = frozenset(("success", "neutral", "skipped"))
_PENDING: Final = "pending"
_SUCCESS: Final = "success"
_FAILED_STATES: Final = frozenset(("failure", "error"))
_WAITS: Final = "action_required"
_ACTIONS: Final = "github-actions"
_RUN: Final = re.compile(r"/actions/runs/(\d{1,18})(?:/|$)")
_PAGE: Final = 100
_MOST_PAGES: Final = 10
"""GitHub lists no more than the newest thousand."""
_LOG_BYTES: Final = 64 * 1024 * 1024
"""The longest log that is read; its end is kept. The end of a longer one is not known."""
_KEPT_BYTES: Final = 64 * 1024
_TIMEOUT_S: Final = 30.0
_MOST_KNOWN: Final = 100


class GitHubChecks(Connection, PullChecks):
    """Reads checks over the same connection; logs lie elsewhere, and are fetched without token."""

    @cached_property
    def _known(self) -> dict[str, tuple[str, Any]]:
        """Newest answers by path, with the tag that GitHub knows each by."""
        return {}

    async def pull_state(self, full_name: str, number: int) -> PullState:
        path = f"/repos/{full_name}/pulls/{number}"
        state = _read_pull(await self._changed("the pull request", path, full_name))
        checks = await self.checks_of(full_name, state.head) if state.open else ()
        return PullState(**{**vars(state), "checks": checks})

    async def open_pulls(self, full_name: str, base: str, author: str) -> list[int]:
        asked = {"state": "open", "base": base}
        return await self._pulls_of(full_name, f"/repos/{full_name}/pulls", author, asked)

    async def pulls_of_commit(self, full_name: str, commit: str, author: str) -> list[int]:
        path = f"/repos/{full_name}/commits/{commit}/pulls"
        return await self._pulls_of(full_name, path, author, {})

    async def _pulls_of(
        self, full_name: str, path: str, author: str, asked: Mapping[str, str]
    ) -> list[int]:
        def get(github: "Api") -> list[int]:
            parameters = {**asked, "per_page": _PAGE}
            rows = github.requester.requestJsonAndCheck("GET", path, parameters=parameters)[1]
            ours = (row for row in rows if read_login(row) == author and row["state"] == "open")
            return [int(row["number"]) for row in ours]

        return await self._read("the pull requests", get, unheard, repo=full_name)

    async def commit_author(self, full_name: str, commit: str) -> CommitAuthor:
        def get(github: "Api") -> CommitAuthor:
            path = f"/repos/{full_name}/commits/{commit}"
            row = github.requester.requestJsonAndCheck("GET", path)[1]
            login = (row.get("author") or {}).get("login", "")
            named = row["commit"].get("author") or {}
            return CommitAuthor(str(login), str(named.get("email") or ""))

        return await self._read("a commit", get, unheard, repo=full_name)

    async def checks_of(self, full_name: str, commit: str) -> tuple[CheckRun, ...]:
        path = f"/repos/{full_name}/commits/{quote(commit)}"
        runs = await self._rows(full_name, f"{path}/check-runs?filter=latest", "check_runs")
        try:
            statuses = await self._rows(full_name, f"{path}/status?", "statuses")
        except ForgeForbidden:  # an App may read the one and not the other
            statuses = []
        checks = (_read_check(row) for row in runs if row["name"] not in OWN_CHECKS)
        return (*checks, *map(_read_status, statuses))

    async def _rows(self, full_name: str, path: str, name: str) -> list[Any]:
        rows: list[Any] = []
        for page in range(1, _MOST_PAGES + 1):
            paged = f"{path}&per_page={_PAGE}" + (f"&page={page}" if page > 1 else "")
            found = await self._changed("the checks", paged, full_name)
            rows += found[name]
            if len(rows) >= found["total_count"]:
                break
        return rows

    async def _changed(self, what: str, path: str, full_name: str) -> Any:
        """What is at a path, as it was where it has not changed since."""
        tag, known = self._known.get(path, ("", None))

        def get(github: "Api") -> tuple[str, Any]:
            headers = {"If-None-Match": tag} if tag else {}
            told, found = github.requester.requestJsonAndCheck("GET", path, headers=headers)
            return str(told.get("etag", "")), known if found is None else found

        new, found = await self._read(what, get, unheard, repo=full_name)
        if new:
            self._known.pop(path, None)
            self._known[path] = (new, found)
            if len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return found

    async def run_failed_again(self, full_name: str, run: int) -> bool:
        def post(github: "Api") -> None:
            path = f"/repos/{full_name}/actions/runs/{run}/rerun-failed-jobs"
            send(github, "POST", path)

        try:
            await self._write("another run of jobs", post, repo=full_name)
        except (ForgeForbidden, RepositoryNotFound, Unprocessable) as refused:
            log.info("jobs of %s are not run again: %s", full_name, refused)
            return False
        except TransientError as failed:
            raise failed.error from None
        return True

    async def workflows_wait(self, full_name: str, commit: str) -> bool | None:
        def get(github: "Api") -> bool | None:
            path = f"/repos/{full_name}/actions/runs"
            asked = {"head_sha": commit, "per_page": _PAGE}
            found = github.requester.requestJsonAndCheck("GET", path, parameters=asked)[1]
            states = [row.get("conclusion") for row in found["workflow_runs"]]
            return _WAITS in states if states else None

        return await self._read("the workflows", get, unheard, repo=full_name)

    async def job_log(self, full_name: str, job: int) -> str:
        def get(github: "Api") -> str:
            path = f"/repos/{full_name}/actions/jobs/{job}/logs"
            headers, _ = github.requester.requestBlobAndCheck("GET", path)
            return str(headers.get("location", ""))

        try:
            address = await self._read("a job's log", get, unheard, repo=full_name)
        except (ForgeForbidden, RepositoryNotFound):
            return ""
        return self.access.credentials.forms.hide(await _fetch_end(address)) if address else ""


async def _fetch_end(address: str) -> str:
    """The end of a file elsewhere; empty where it does not come."""
    kept, read = b"", 0
    try:
        async with (
            asyncio.timeout(_TIMEOUT_S),
            make_storage_client() as client,
            client.stream("GET", address) as answer,
        ):
            if not answer.is_success:
                return ""
            async for part in answer.aiter_bytes():
                kept, read = (kept + part)[-_KEPT_BYTES:], read + len(part)
                if read > _LOG_BYTES:
                    return ""
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
        log.info("a job's log does not come: %s", type(error).__name__)
        return ""
    return kept.decode("utf-8", "replace")


def _read_pull(row: Any) -> PullState:
    return PullState(
        number=int(row["number"]),
        open=row["state"] == "open",
        merged=bool(row.get("merged")),
        author=read_login(row),
        head=str(row["head"]["sha"]),
        base_branch=str(row["base"]["ref"]),
        updated_at=str(row.get("updated_at", "")),
        base_sha=str(row["base"]["sha"]),
        mergeable=row.get("mergeable"),
    )


def _read_check(row: Any) -> CheckRun:
    of_actions = (row.get("app") or {}).get("slug") == _ACTIONS
    run = _RUN.search(str(row.get("html_url") or "")) if of_actions else None
    return CheckRun(
        name=str(row["name"]),
        url=str(row.get("html_url") or ""),
        ended=row["status"] == "completed",
        failed=row.get("conclusion") in _FAILED,
        job=int(row["id"]) if of_actions else None,
        passed=row.get("conclusion") in _PASSED,
        number=int(row["id"]),
        run=int(run[1]) if run else None,
    )


def _read_status(row: Any) -> CheckRun:
    """What the older API has in place of a check: no log, and no try of its own."""
    return CheckRun(
        name=str(row["context"]),
        url=str(row.get("target_url") or ""),
        ended=row["state"] != _PENDING,
        failed=row["state"] in _FAILED_STATES,
        passed=row["state"] == _SUCCESS,
        number=int(row["id"]),
    )
