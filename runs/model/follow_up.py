"""What a request that follows a run, or names a pull request, goes on with."""

from graph import PullAddress, RunRequest
from graph.errors import InvalidRequest, RunActive
from runs.model.run_record import RunRecord


def follow(request: RunRequest, parent: RunRecord | None) -> RunRequest:
    """The request with the repository and the pull request that it does not say itself.

    Raises InvalidRequest, and RunActive where the run to follow has not ended.
    """
    if parent:
        request = {**request, "pull_request_url": _pull_request_of(request, parent)}
    url = request.get("pull_request_url")
    if url and not request.get("repo_url"):
        return {**request, "repo_url": PullAddress.parse(url).repo_url}
    if not request.get("repo_url"):
        raise InvalidRequest(
            "The request names no repository.",
            "Give repoUrl, pullRequest or parentRunId.",
            field="repoUrl",
        )
    return request


def call_that_follows(parent: RunRecord) -> str:
    """How a run that has ended is gone on with, for who wants more of it."""
    if parent.pr is None or parent.pr.url is None:
        return "Start a new run."
    return (
        f'Start a follow-up: POST /code {{"parentRunId": "{parent.run_id}", "prompt": "…"}},'
        f" or coding-agent run PROMPT --after {parent.run_id}."
    )


def _pull_request_of(request: RunRequest, parent: RunRecord) -> str:
    if request.get("pull_request_url"):
        raise InvalidRequest(
            "parentRunId and pullRequest both say what to go on with.",
            "Leave one of them out.",
            field="pullRequest",
        )
    if not parent.final:
        raise RunActive(
            f"Run {parent.run_id} works still.",
            "Send it a message, or wait for its end.",
        )
    if parent.pr is None or parent.pr.url is None:
        raise InvalidRequest(
            f"Run {parent.run_id} has no pull request to go on with.",
            "Name the branch to start from, or resume that run.",
            field="parentRunId",
        )
    return parent.pr.url
