"""What one workflow of GitHub Actions does with a branch or its pull request, by whose rights."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from forge.core.forge import Target
from forge.github.branch_filter import takes_branch, words

_MAX_NAMES: Final = 8
_OPENED: Final = frozenset(
    ("opened", "synchronize", "edited", "ready_for_review", "labeled", "review_requested")
)
_SECRET: Final = re.compile(r"\bsecrets\s*(?:\.\s*|\[\s*['\"])([A-Za-z0-9_]{1,64})")
_ALL_SECRETS: Final = re.compile(
    r"(?i)\btoJSON\s*\(\s*secrets\b|^[ \t]*+secrets:\s*+inherit\b", re.MULTILINE
)
_UNKNOWN: Final = "cannot be read: it may run, with rights that cannot be seen from here"


def explain_workflow(content: bytes | None, target: Target) -> str:
    """What it does, as one sentence without its end; empty where it does nothing."""
    text = (content or b"").decode("utf-8", "replace")
    workflow = _read(text) if content is not None else None
    if workflow is None:
        return _UNKNOWN
    starts = list(_starts(workflow.get("on"), target))
    if not starts:
        return ""
    return "; ".join([*starts, *_rights(workflow, text)])


def _read(text: str) -> Mapping[str, Any] | None:
    """The workflow as strings, lists and mappings alone: no value is made, no key is merged in."""
    try:
        read = yaml.BaseLoader(text).get_single_data()
    except (yaml.YAMLError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _starts(on: Any, target: Target) -> Iterator[str]:
    """What starts it, of that which a publication does."""
    events = on if isinstance(on, dict) else dict.fromkeys(words(on))
    if target.fork:
        if "pull_request" in events and _takes_pull(events["pull_request"], target):
            yield (
                "runs for the pull request, as a fork's: without secrets, with a token that reads,"
                " of a first contribution once somebody approves it"
            )
    else:
        if "push" in events and _takes_push(events["push"], target):
            yield "runs at the push of the branch, before anyone has read it"
        if "create" in events:
            yield "runs when the branch is made, before anyone has read it"
        if "pull_request" in events and _takes_pull(events["pull_request"], target):
            yield "runs for the pull request, with this repository's rights"
    if "pull_request_target" in events and _takes_pull(events["pull_request_target"], target):
        yield "runs for the pull request as the base has it, with the base's secrets and token"
    if "workflow_run" in events:
        yield "may run after another workflow, by the base's own code, secrets and token"


def _takes_push(options: Any, target: Target) -> bool:
    if not isinstance(options, dict):
        return True
    of_branches = {"branches", "branches-ignore"} & options.keys()
    of_tags = {"tags", "tags-ignore"} & options.keys()
    return bool(of_branches or not of_tags) and takes_branch(options, target.branch)


def _takes_pull(options: Any, target: Target) -> bool:
    if not isinstance(options, dict):
        return True
    types = words(options.get("types"))
    return bool(not types or _OPENED.intersection(types)) and takes_branch(
        options, target.base_branch
    )


def _rights(workflow: Mapping[str, Any], text: str) -> Iterator[str]:
    jobs = _mappings(workflow.get("jobs"))
    yield _secrets(text)
    yield _token(workflow, jobs)
    if any(_self_hosted(job.get("runs-on")) for job in jobs):
        yield "on self-hosted runners"
    if any("uses" in job for job in jobs):
        yield "calls further workflows"


def _secrets(text: str) -> str:
    if _ALL_SECRETS.search(text):
        return "has all secrets"
    names = sorted(set(_SECRET.findall(text)) - {"GITHUB_TOKEN"})
    if not names:
        return "names no secret"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"uses the secrets {', '.join(names[:_MAX_NAMES])}{more}"


def _token(workflow: Mapping[str, Any], jobs: list[Mapping[str, Any]]) -> str:
    """What its token may do: the widest that any of its jobs has."""
    default = workflow.get("permissions")
    given = [job.get("permissions", default) for job in jobs] or [default]
    if None in given:
        return "has a token with the repository's usual rights"
    if "write-all" in given:
        return "has a token that may write everything"
    writes = {
        name
        for rights in given
        if isinstance(rights, dict)
        for name, right in rights.items()
        if right == "write" and isinstance(name, str)
    }
    if not writes:
        return "has a token that only reads"
    return f"has a token that may write {', '.join(sorted(writes)[:_MAX_NAMES])}"


def _self_hosted(runs_on: Any) -> bool:
    if isinstance(runs_on, dict):
        return "group" in runs_on or "self-hosted" in words(runs_on.get("labels"))
    return "self-hosted" in words(runs_on)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    listed = value.values() if isinstance(value, dict) else ()
    return [one for one in listed if isinstance(one, dict)]
