"""Answers of GitHub's API, as PyGithub gives them, as our values."""

from collections.abc import Mapping
from typing import Any, Literal

from forge.core.forge import Pull, RepositoryFacts


def read_facts(repository: Any) -> RepositoryFacts:
    facts = repository.raw_data
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


def _read_pulls_policy(facts: Mapping[str, Any]) -> Literal["all", "collaborators", "none"]:
    if facts.get("has_pull_requests") is False:
        return "none"
    by = facts.get("pull_request_creation_policy")
    return "collaborators" if by == "collaborators_only" else "all"


def read_pull(pull: Any) -> Pull:
    return Pull(number=int(pull.number), url=str(pull.html_url), draft=bool(pull.draft))
