"""Answers of GitHub's API, as PyGithub gives them, as our values."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from forge.core.forge import MergedPull, Pull, PullFacts, PullText, RepositoryFacts


def read_facts(facts: Mapping[str, Any]) -> RepositoryFacts:
    return RepositoryFacts(
        number=int(facts["id"]),
        full_name=str(facts["full_name"]),
        default_branch=str(facts["default_branch"]),
        archived=bool(facts["archived"]),
        private=bool(facts["private"]),
        push=bool(facts.get("permissions", {}).get("push")),
        forkable=facts.get("allow_forking") is not False,
        pulls=_read_pulls_policy(facts),
    )


def read_names(rows: Iterable[Any]) -> list[str]:
    """Full names of repositories, the last pushed first; none is archived."""
    live = [row for row in rows if not row["archived"]]
    live.sort(key=lambda row: str(row.get("pushed_at") or ""), reverse=True)
    return [str(row["full_name"]) for row in live]


def read_login(row: Any) -> str:
    """The account that a row is of; empty where that was deleted."""
    return str((row.get("user") or {}).get("login", ""))


def _read_pulls_policy(facts: Mapping[str, Any]) -> Literal["all", "collaborators", "none"]:
    if facts.get("has_pull_requests") is False:
        return "none"
    by = facts.get("pull_request_creation_policy")
    return "collaborators" if by == "collaborators_only" else "all"


def read_pull(pull: Any) -> Pull:
    return Pull(int(pull.number), str(pull.html_url), bool(pull.draft), str(pull.title))


def read_pull_facts(pull: Any) -> PullFacts:
    head = pull.raw_data["head"]
    repository = head.get("repo") or {}
    return PullFacts(
        number=int(pull.number),
        url=str(pull.html_url),
        is_open=pull.state == "open",
        title=str(pull.title),
        author=str(pull.user.login) if pull.user else "",
        base_branch=str(pull.base.ref),
        head_repo=str(repository.get("full_name") or ""),
        head_branch=str(head["ref"]),
        draft=bool(pull.draft),
    )


def read_merged_pulls(pulls: Iterable[Any], since: float) -> Iterator[MergedPull]:
    """Those merged after `since`, of closed ones that begin with the last changed."""
    for pull in pulls:
        if pull.updated_at.timestamp() < since:
            return
        if pull.merged_at is None or pull.merged_at.timestamp() < since:
            continue
        yield MergedPull(
            number=int(pull.number),
            text=PullText(str(pull.title), str(pull.body or "")),
            base_sha=str(pull.base.sha),
            head_sha=str(pull.head.sha),
            merged_at=pull.merged_at.timestamp(),
        )
