"""The input of the graph."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Required

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from graph.errors import InvalidRequest
from graph.errors.validation_faults import describe_faults
from graph.pictures import PicturePlace


def described(title: str, description: str) -> Any:
    """A key of the graph's state as Studio and schemas show it."""
    return Field(title=title, description=description)


class RunRequest(TypedDict, total=False):
    """The graph's input. `max_…` and `timeout_s` lower configured limits, and never raise them."""

    repo_url: Required[
        Annotated[
            str,
            described(
                "Repository",
                "Address of the repository below the configured host, such as "
                "https://github.com/OWNER/REPO; on one machine also the path of a checkout.",
            ),
        ]
    ]
    prompt: Required[
        Annotated[str, described("Request", "What should change, in a sentence or more.")]
    ]
    base_branch: Annotated[
        str | None,
        described(
            "Base branch",
            "Branch that the change starts from; the repository's default branch where "
            "it is left out.",
        ),
    ]
    branch: Annotated[
        str | None,
        described(
            "Branch",
            "New branch that the change is published on; one of the run's own where it is left "
            "out. The repository must not have it.",
        ),
    ]
    include_uncommitted: Annotated[
        bool,
        described(
            "With uncommitted changes",
            "Whether the change starts from what the tracked files of a checkout hold now; "
            "this is then the branch's first commit.",
        ),
    ]
    setup: Annotated[
        list[str],
        described(
            "Set-up commands",
            "Commands that make a new tree ready, such as `pip install -e .`.",
        ),
    ]
    validate: Annotated[
        list[str],
        described("Checks", "Commands that must pass, beside those found in the repository."),
    ]
    validate_only: Annotated[
        bool,
        described(
            "Only these checks",
            "Whether the named checks replace those found in the repository.",
        ),
    ]
    approve_plan: Annotated[
        bool, described("Ask before coding", "Whether the run waits for an answer to its plan.")
    ]
    draft: Annotated[bool, described("Draft", "Whether the pull request is opened as a draft.")]
    title: Annotated[
        str | None,
        described("Title", "Title of the pull request; the coder writes one where it is left out."),
    ]
    labels: Annotated[list[str], described("Labels", "Labels of the pull request.")]
    reviewers: Annotated[
        list[str], described("Reviewers", "Accounts that are asked to review the pull request.")
    ]
    closes: Annotated[
        int | None,
        described("Issue", "Number of the issue that the pull request closes once it is merged."),
    ]
    pictures: Annotated[
        list[PicturePlace],
        described(
            "Pictures",
            "Attachments of what was written on the forge that roles are shown, the first five.",
        ),
    ]
    answers: Annotated[
        list[int],
        described(
            "Review comments",
            "Numbers of the comments of a review that the request counts as `Comment 1` and so "
            "on. Each gets a thumb, or in its thread what is said of it.",
        ),
    ]
    allow: Annotated[
        list[str],
        described(
            "Allowed",
            "Kinds of files the gate lets through, of those the operator allows: "
            "workflows, codeowners, agent_config, large_files.",
        ),
    ]
    max_cost_usd: Annotated[
        float | None,
        described(
            "Money (US dollars)", "Most that the run may cost; it lowers the configured limit."
        ),
    ]
    max_tokens: Annotated[
        int | None,
        described("Tokens", "Most tokens that the run may use; it lowers the configured limit."),
    ]
    max_fix_rounds: Annotated[
        int | None,
        described(
            "Fix rounds", "How often the fixer may be called; it lowers the configured limit."
        ),
    ]
    timeout_s: Annotated[
        int | None,
        described(
            "Time (seconds)",
            "Most time the run may take; waiting for an answer does not count.",
        ),
    ]
    model: Annotated[
        str | None,
        described("Model", "Model of all roles; the configured ones where it is left out."),
    ]
    pull_request_url: Annotated[
        str | None,
        described(
            "Pull request",
            "Address of the open pull request to go on with: a commit is added to its branch.",
        ),
    ]
    parent_run_id: Annotated[
        str | None,
        described("Parent run", "Run that this one follows, on the branch of its pull request."),
    ]
    review_only: Annotated[
        bool,
        described("Review only", "Whether the pull request is reviewed and nothing is changed."),
    ]
    merge_base: Annotated[
        bool,
        described("Merge", "Whether its base branch is merged into the pull request."),
    ]
    requested_by: Annotated[
        str, described("Requested by", "Name of the caller, told in the pull request.")
    ]


def wire_name(field: str) -> str:
    """A key of the request as callers write it."""
    return _WIRE_NAMES.get(field) or to_camel(field)


_WIRE_NAMES: Final = {"pull_request_url": "pullRequest"}
"""The graph's state has a `pull_request` of its own: what the run made."""
_REQUEST: TypeAdapter[RunRequest] = TypeAdapter(RunRequest)


def request_of(values: Mapping[str, Any]) -> RunRequest:
    """The request's own keys among the values, each of its type. Raises InvalidRequest."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return _REQUEST.validate_python(given)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]["loc"]
        field = wire_name(str(where[0])) if where else ""
        raise InvalidRequest(f"{describe_faults(error)[0]}.", field=field) from None
