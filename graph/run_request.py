"""The input of the graph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Required

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from graph.branch_names import DEFAULT_PREFIX, is_new_branch_name
from graph.errors import BranchNotAllowed, InvalidRequest, ModelNotAllowed, PriceUnknown
from graph.errors.validation_faults import describe_faults
from graph.pull_address import PullAddress
from graph.values import RoleName


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
    requested_by: Annotated[
        str, described("Requested by", "Name of the caller, told in the pull request.")
    ]


@dataclass(frozen=True)
class RequestRules:
    """What a request may name: `allow` is None and `models` empty where it may be anything.

    `branch_prefix` is what branches of runs begin with; `any_branch`: a request may name another.
    `role_models` are the models of the roles where it names none, `has_price` says of which models
    the price is known.
    """

    allow: tuple[str, ...] | None = None
    models: tuple[str, ...] = ()
    branch_prefix: str = DEFAULT_PREFIX
    any_branch: bool = False
    role_models: Mapping[RoleName, str] = field(default_factory=dict)
    has_price: Callable[[str], bool] = bool

    def check(self, request: RunRequest) -> None:
        """Raise InvalidRequest, ModelNotAllowed or BranchNotAllowed where it names another."""
        _check_ground(request)
        model = request.get("model")
        if model and self.models and model not in self.models:
            raise ModelNotAllowed(
                f"model {model!r} is not one that may be used here.",
                f"Use one of {', '.join(self.models)}.",
            )
        refused = set(request.get("allow") or ()) - set(self.allow or ())
        if refused and self.allow is not None:
            raise InvalidRequest(
                f"allow names {', '.join(sorted(map(repr, refused)))}, which is not allowed here.",
                "The operator lists in CODING_AGENT_ALLOW what a request may allow.",
                field="allow",
            )
        self._check_branch(request.get("branch") or "")

    def find_unpriced(self, request: RunRequest) -> tuple[str, ...]:
        """The models of a run whose price is not known."""
        model = request.get("model")
        models = [model] if model else self.role_models.values()
        return tuple(dict.fromkeys(name for name in models if not self.has_price(name)))

    def check_prices(self, request: RunRequest, max_tokens: int) -> None:
        """Raise PriceUnknown where neither money nor tokens could be held to a limit."""
        if not max_tokens and (unpriced := self.find_unpriced(request)):
            raise PriceUnknown(f"The price of the model {unpriced[0]!r} is not known.")

    def _check_branch(self, branch: str) -> None:
        if branch and not is_new_branch_name(branch):
            raise InvalidRequest(f"{branch[:200]!a} is not a name of a new branch.", field="branch")
        if branch and not self.any_branch and not branch.startswith(self.branch_prefix):
            raise BranchNotAllowed(f"branch {branch!a} does not begin with {self.branch_prefix}.")


def _check_ground(request: RunRequest) -> None:
    """Raise InvalidRequest where what is said of a pull request does not fit together."""
    url = request.get("pull_request_url")
    if url is None:
        if request.get("review_only"):
            raise InvalidRequest(
                "reviewOnly goes with a pull request.",
                "Name it in pullRequest.",
                field="reviewOnly",
            )
        return
    named = repo_name(PullAddress.parse(url).repo_url)
    if repo_name(request["repo_url"]) != named:
        raise InvalidRequest(
            f"pullRequest is one of {named}, and repoUrl names {repo_name(request['repo_url'])}.",
            "Leave repoUrl out.",
            field="repoUrl",
        )
    refused = ("base_branch", "branch", *(("approve_plan",) if request.get("review_only") else ()))
    for name in refused:
        if request.get(name):
            raise InvalidRequest(
                f"{wire_name(name)} does not go with what is asked of the pull request.",
                f"Leave {wire_name(name)} out.",
                field=wire_name(name),
            )


def repo_name(repo_url: str) -> str:
    """`owner/repo` in lower case, of an address, such a name, or the end of a local path."""
    parts = [part for part in repo_url.lower().split("/") if part]
    return "/".join(parts[-2:]).removesuffix(".git")


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
