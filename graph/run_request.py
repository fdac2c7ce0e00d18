"""The input of the graph."""

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, Required

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from graph.errors import InvalidRequest
from graph.errors.validation_faults import describe_faults


class RunRequest(TypedDict):
    """The graph's input. `max_…` and `timeout_s` lower configured limits, and never raise them."""

    repo_url: Required[
        Annotated[
            str,
            Field(
                title="Repository",
                description=(
                    "Address of the repository below the configured host, such as "
                    "https://github.com/OWNER/REPO; on one machine also the path of a checkout."
                ),
            ),
        ]
    ]
    prompt: Required[
        Annotated[
            str,
            Field(title="Request", description="What should change, in a sentence or more."),
        ]
    ]
    base_branch: NotRequired[
        Annotated[
            str | None,
            Field(
                title="Base branch",
                description=(
                    "Branch that the change starts from; the repository's default branch where "
                    "it is left out."
                ),
            ),
        ]
    ]
    setup: NotRequired[
        Annotated[
            list[str],
            Field(
                title="Set-up commands",
                description="Commands that make a new tree ready, such as `pip install -e .`.",
            ),
        ]
    ]
    validate: NotRequired[
        Annotated[
            list[str],
            Field(
                title="Checks",
                description="Commands that must pass, beside those found in the repository.",
            ),
        ]
    ]
    validate_only: NotRequired[
        Annotated[
            bool,
            Field(
                title="Only these checks",
                description="Whether the named checks replace those found in the repository.",
            ),
        ]
    ]
    approve_plan: NotRequired[
        Annotated[
            bool,
            Field(
                title="Ask before coding",
                description="Whether the run waits for an answer to its plan.",
            ),
        ]
    ]
    draft: NotRequired[
        Annotated[
            bool,
            Field(title="Draft", description="Whether the pull request is opened as a draft."),
        ]
    ]
    title: NotRequired[
        Annotated[
            str | None,
            Field(
                title="Title",
                description="Title of the pull request; the coder writes one where it is left out.",
            ),
        ]
    ]
    labels: NotRequired[
        Annotated[
            list[str],
            Field(title="Labels", description="Labels of the pull request."),
        ]
    ]
    reviewers: NotRequired[
        Annotated[
            list[str],
            Field(
                title="Reviewers", description="Accounts that are asked to review the pull request."
            ),
        ]
    ]
    allow: NotRequired[
        Annotated[
            list[str],
            Field(
                title="Allowed",
                description=(
                    "Kinds of files the gate lets through, of those the operator allows: "
                    "workflows, codeowners, agent_config, large_files."
                ),
            ),
        ]
    ]
    max_cost_usd: NotRequired[
        Annotated[
            float | None,
            Field(
                title="Money (US dollars)",
                description="Most that the run may cost; it lowers the configured limit.",
            ),
        ]
    ]
    max_tokens: NotRequired[
        Annotated[
            int | None,
            Field(
                title="Tokens",
                description="Most tokens that the run may use; it lowers the configured limit.",
            ),
        ]
    ]
    max_fix_rounds: NotRequired[
        Annotated[
            int | None,
            Field(
                title="Fix rounds",
                description="How often the fixer may be called; it lowers the configured limit.",
            ),
        ]
    ]
    timeout_s: NotRequired[
        Annotated[
            int | None,
            Field(
                title="Time (seconds)",
                description="Most time the run may take; waiting for an answer does not count.",
            ),
        ]
    ]
    model: NotRequired[
        Annotated[
            str | None,
            Field(
                title="Model",
                description="Model of all roles; the configured ones where it is left out.",
            ),
        ]
    ]
    requested_by: NotRequired[
        Annotated[
            str,
            Field(
                title="Requested by", description="Name of the caller, told in the pull request."
            ),
        ]
    ]


_REQUEST: TypeAdapter[RunRequest] = TypeAdapter(RunRequest)


def request_of(values: Mapping[str, Any]) -> RunRequest:
    """The request's own keys among the values, each of its type. Raises InvalidRequest."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return _REQUEST.validate_python(given)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]["loc"]
        field = to_camel(str(where[0])) if where else ""
        raise InvalidRequest(f"{describe_faults(error)[0]}.", field=field) from None
