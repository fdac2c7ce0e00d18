"""What callers may send: strict, limited, camelCase."""

import re
from typing import Annotated, Any, Final, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from api.model_name import ModelName
from graph import (
    AllowName,
    Approval,
    Decision,
    Plan,
    RunRequest,
    is_branch_name,
    is_new_branch_name,
)

MAX_PROMPT: Final = 32_000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _text(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not hold a NUL character")
    return value


def _filled(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return _text(value)


def _line(value: str) -> str:
    if _CONTROL.search(value):
        raise ValueError("must be one line without control characters")
    return value


def _branch(value: str) -> str:
    if not is_branch_name(value):
        raise ValueError("must be the name of a branch")
    return value


def _new_branch(value: str) -> str:
    if not is_new_branch_name(value):
        raise ValueError("must be the name of a new branch")
    return value


Filled = AfterValidator(_filled)
NoControlCharacters = AfterValidator(_line)
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PROMPT), Filled]
Command = Annotated[str, StringConstraints(min_length=1, max_length=4_000), Filled]
Text = Annotated[str, StringConstraints(max_length=16_000), AfterValidator(_text)]
OneLineText = Annotated[str, StringConstraints(min_length=1, max_length=1_000), NoControlCharacters]
Branch = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_branch)]
NewBranch = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_new_branch)
]
PullUrl = Annotated[str, StringConstraints(min_length=1, max_length=500), NoControlCharacters]
ParentRunId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_-]{0,63}$")]
RepoUrl = Annotated[str, StringConstraints(min_length=1, max_length=500), NoControlCharacters]
Title = Annotated[str, StringConstraints(min_length=1, max_length=200), NoControlCharacters]
Commands = Annotated[list[Command], Field(max_length=20)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=50), NoControlCharacters]
Reviewer = Annotated[
    str, StringConstraints(max_length=140, pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*(/[A-Za-z0-9_.-]+)?$")
]
Money = Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
Rounds = Annotated[int, Field(ge=0, le=100)]
Seconds = Annotated[int, Field(ge=1, le=7 * 86_400)]


_GRAPH_NAMES: Final = {"pull_request": "pull_request_url"}


class RequestModel(BaseModel):
    """A request body: unknown fields and values of another type are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


class CodeRequest(RequestModel):
    """What to change in which repository, and how. A request lowers limits, never raises them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "repoUrl": "https://github.com/octocat/hello-world",
                    "prompt": "Make the greeting configurable by a --name option.",
                },
                {
                    "repoUrl": "https://github.com/octocat/hello-world",
                    "prompt": "Fix the flaky date test.",
                    "baseBranch": "main",
                    "setup": ["python -m pip install -e ."],
                    "validate": ["python -m pytest -q"],
                    "approvePlan": True,
                    "maxCostUsd": 2.5,
                    "timeoutS": 1800,
                },
                {
                    "pullRequest": "https://github.com/octocat/hello-world/pull/7",
                    "prompt": "Do what the review asks for.",
                },
            ]
        }
    )

    pull_request: PullUrl | None = Field(
        default=None,
        description="Address of an open pull request to go on with: a commit is added to its"
        " branch, never forced.",
    )
    parent_run_id: ParentRunId | None = Field(
        default=None,
        description="Run to follow, which has ended: on its pull request, with limits of its own.",
    )
    review_only: bool = Field(
        default=False,
        description="Review the pull request, change nothing: findings become one review of it.",
    )
    repo_url: RepoUrl | None = Field(
        default=None,
        description="Address of a repository below the configured one, or `OWNER/REPO` alone. It"
        " may be left out beside `pullRequest` or `parentRunId`.",
    )
    prompt: Prompt = Field(description="What should change, in plain words.")
    base_branch: Branch | None = Field(
        default=None, description="Branch to start from; else the default branch."
    )
    branch: NewBranch | None = Field(
        default=None,
        description="New branch to publish on; else one of the run's own. `CODING_AGENT_ANY_BRANCH`"
        " lets it begin otherwise than `CODING_AGENT_BRANCH_PREFIX`.",
    )
    setup: Commands = Field(default=[], description="Commands that make a fresh tree ready.")
    validate_: Commands = Field(
        default=[], alias="validate", description="Checks beside those the repository names."
    )
    validate_only: bool = Field(default=False, description="`validate` replaces the found checks.")
    approve_plan: bool = Field(default=False, description="Wait for an answer to the plan.")
    draft: bool = Field(default=False, description="Open the pull request as a draft.")
    title: Title | None = Field(default=None, description="Title of the pull request.")
    labels: list[Label] = Field(default=[], max_length=20)
    reviewers: list[Reviewer] = Field(
        default=[], max_length=15, description="Logins, or teams as ORG/TEAM."
    )
    allow: list[AllowName] = Field(
        default=[], max_length=4, description="Rules of the gate that may pass."
    )
    max_cost_usd: Money | None = None
    max_fix_rounds: Rounds | None = None
    timeout_s: Seconds | None = None
    model: ModelName | None = Field(default=None, description="Model of all roles.")

    def run_request(self) -> RunRequest:
        """The run's input, without what was left out."""
        given: dict[str, Any] = {
            _GRAPH_NAMES.get(name) or name.removesuffix("_"): value
            for name, value in self
            if value is not None and value != [] and value is not False
        }
        return cast("RunRequest", given)


class PlanSent(RequestModel):
    """A plan of the caller's own."""

    summary: Command
    route: Literal["short", "full"] = "full"
    steps: list[OneLineText] = Field(default=[], max_length=50)
    files: list[OneLineText] = Field(default=[], max_length=200)
    validate_: Commands = Field(default=[], alias="validate")


class PlanAnswer(RequestModel):
    """`approve` (with `plan`: that plan instead), `revise` (with `feedback`) or `reject`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"planId": "plan-1", "decision": "approve"},
                {"planId": "plan-1", "decision": "revise", "feedback": "Keep the old option."},
            ]
        }
    )

    plan_id: Annotated[str, StringConstraints(min_length=1, max_length=100), NoControlCharacters]
    decision: Decision
    plan: PlanSent | None = Field(default=None, description="With `approve` alone.")
    feedback: Text = Field(default="", description="What to plan otherwise; needed by `revise`.")

    @model_validator(mode="after")
    def fits(self) -> "PlanAnswer":
        if self.plan and self.decision != "approve":
            raise ValueError("`plan` goes with the decision `approve` alone")
        if self.decision == "revise" and not self.feedback.strip():
            raise ValueError("the decision `revise` needs `feedback`")
        return self

    def approval(self) -> Approval:
        """The answer as the graph takes it."""
        plan = Plan.model_validate(self.plan.model_dump(by_alias=True)) if self.plan else None
        return Approval(
            decision=self.decision, plan_id=self.plan_id, plan=plan, feedback=self.feedback
        )


class ResumeRequest(RequestModel):
    """Limits of the run from here on, up to the operator's."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"maxCostUsd": 5}]})

    max_cost_usd: Money | None = None
    max_fix_rounds: Rounds | None = None
    timeout_s: Seconds | None = None


class MessageRequest(RequestModel):
    """Something the working role should know; it reads it at its next turn."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "Leave the public API as it is."}]}
    )

    text: Annotated[str, StringConstraints(min_length=1, max_length=16_000), Filled]
