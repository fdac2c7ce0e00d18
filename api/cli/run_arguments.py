"""What `coding-agent run` was asked to do, checked before anything is started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from api.cli.repo_argument import RepoArgument, resolve_repo
from graph import PullAddress, RunRequest
from graph.errors import InvalidRequest


@dataclass(frozen=True)
class RunOrder:
    """A request, what to say before it starts, and where its diff goes."""

    request: RunRequest
    note: str
    output: Path | None


def run_order(
    prompt: str, repo: str, asked: Mapping[str, Any], *, output: Path | None, here: bool
) -> RunOrder:
    """`here`: the run is this machine's, so that a local checkout can be worked on.

    Raises typer.BadParameter.
    """
    place = _place(repo, asked)
    if place.local and not here:
        raise _wrong("--repo", "a server cannot reach a checkout of this machine")
    if asked.get("include_uncommitted") and not place.local:
        raise _wrong("--include-uncommitted", "takes a checkout of this machine")
    if asked.get("include_uncommitted") and asked.get("base_branch"):
        raise _wrong("--include-uncommitted", "goes without --base: it is the current branch's")
    if output and not output.parent.is_dir():
        raise _wrong("--output", f"there is no folder {str(output.parent)!r}")
    text = _standard_input() if prompt == "-" else prompt
    if not text.strip():
        raise _wrong("PROMPT", "is empty; say in a sentence what should change")
    given = {
        name: value
        for name, value in asked.items()
        if value is not None and value is not False and value != []
    }
    named = {"repo_url": place.address} if place.address else {}
    request = RunRequest(**named, prompt=text, **given)  # type: ignore[typeddict-item]
    base = given.get("base_branch") or "HEAD"
    note = f"Starts from {base} of {place.address}."
    return RunOrder(request, note if place.local else "", output)


def _place(repo: str, asked: Mapping[str, Any]) -> RepoArgument:
    """What `--repo` names; a pull request, and a run to follow, name it themselves."""
    pull_request, followed = asked.get("pull_request_url"), asked.get("parent_run_id")
    if asked.get("review_only") and not (pull_request or followed):
        raise _wrong("--review-only", "takes a pull request: --pr URL, or --after RUN")
    if pull_request and followed:
        raise _wrong("--after", "goes without --pr")
    if followed:
        return RepoArgument("", local=False)
    try:
        if pull_request:
            return RepoArgument(PullAddress.parse(pull_request).repo_url, local=False)
        return resolve_repo(repo)
    except InvalidRequest as error:
        raise _wrong("--pr", f"{error.message} {error.hint}") from None
    except ValueError as error:
        raise _wrong("--repo", str(error)) from None


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise _wrong("PROMPT", "is not UTF-8 text") from None


def _wrong(option: str, message: str) -> typer.BadParameter:
    return typer.BadParameter(message, param_hint=option)
