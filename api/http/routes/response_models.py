"""What callers get, for the OpenAPI document. Fields may be added; readers ignore new ones."""

from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from graph import (
    ChangedFile,
    CheckStatus,
    CommandReport,
    EnvironmentCommand,
    EnvironmentRecord,
    Failure,
    GateReport,
    LeftOut,
    NodeName,
    NodeOutcome,
    Plan,
    Proof,
    PublishedChange,
    Review,
    RoleName,
    ServicePort,
    Status,
    Usage,
    Validation,
    Verdict,
)
from runs.model import LoggedEvent, RunRecord, rfc3339

_RUN_ID: Final = "01k9x4m7q2v8c3n5b6t0r1w2ez"
_EVENT: Final = {"$ref": "#/components/schemas/Event"}


class ResponseModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")


class RunSummary(ResponseModel):
    """A run in a list."""

    run_id: str = Field(examples=[_RUN_ID])
    status: Status
    reason: str | None = Field(
        default=None,
        description="Why it ended so, as a stable code.",
        examples=["fix_rounds_exhausted"],
    )
    node: str | None = Field(description="Where the run is, or where it stopped.")
    attempt: int = Field(default=1, description="1, and one more with each resume.")
    owner: str = Field(description="Name of the key that started it.", examples=["ann"])
    repo_url: str = Field(examples=["https://github.com/octocat/hello-world"])
    prompt: str = Field(description="What was asked for.")
    cost_usd: float | None = Field(
        description="US dollars so far. Null where a model's price is unknown.", examples=[0.42]
    )
    max_cost_usd: float | None = Field(
        description="The run's limit in US dollars. Null without one.", examples=[5]
    )
    validation: CheckStatus | None = Field(
        description="How the checks ended on the newest change. Null before they ran."
    )
    verdict: Verdict | None = Field(
        description="The review of the newest change. Null before there is one."
    )
    pr: PublishedChange | None = Field(description="Null before anything is published.")
    created_at: str = Field(examples=["2026-01-31T12:00:00.000Z"])
    updated_at: str = Field(examples=["2026-01-31T12:04:31.000Z"])


class RunList(ResponseModel):
    """Runs, newest first; `nextCursor` leads to older ones."""

    runs: list[RunSummary]
    next_cursor: str | None


class RolePart(ResponseModel):
    """What one role used."""

    usage: Usage
    cost_usd: float | None = Field(description="Null where the model's price is unknown.")
    turns: int = Field(description="Whole replies.")


class CommandView(CommandReport):
    """One check; without an exit code it could not start or was stopped."""

    exit_code: int | None = None


class ValidationView(Validation):
    """All checks on one change."""

    commands: tuple[CommandView, ...] = ()


class EnvironmentView(ResponseModel):
    """What makes the trees of a run ready; `kept`: it was there from before."""

    commands: tuple[EnvironmentCommand, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tools: dict[str, str] = {}
    services: tuple[ServicePort, ...] = ()
    kept: bool = False
    maker: str = Field(default="", description="Run whose model found the commands, if any.")


class EnvironmentRecordView(ResponseModel):
    """What set-up did on a repository last, and how its checks ended there."""

    repo: str = Field(examples=["octocat/hello-world"])
    sha: str = Field(description="Commit that it was made on.")
    run_id: str = Field(examples=[_RUN_ID])
    made_at: str = Field(examples=["2026-01-31T12:00:00.000Z"])
    environment: EnvironmentView
    baseline: ValidationView | None

    @classmethod
    def of(cls, record: EnvironmentRecord) -> "EnvironmentRecordView":
        data = record.model_dump(mode="json") | {"made_at": rfc3339(record.made_at)}
        return cls.model_validate(data)


class ChangeView(ResponseModel):
    """The newest change; `baseSha` where it was put onto a newer commit of the base branch."""

    digest: str = Field(description="`sha256:` and the digest of the patch.")
    base_sha: str | None = None
    files: tuple[ChangedFile, ...]


class NodePart(ResponseModel):
    """How often a run was at one node, how long in all, and how its newest visit ended."""

    node: NodeName
    visits: int
    duration_ms: int = Field(description="Milliseconds of all visits that have ended.")
    outcome: NodeOutcome | None = Field(description="Null while the newest visit lasts.")


class MessageView(ResponseModel):
    """A message to a run's roles, and what became of it."""

    number: int = Field(description="From 1.")
    text: str = Field(description="What was said.")
    by: str = Field(description="Name of the key that sent it.", examples=["ann"])
    state: Literal["queued", "read", "answered"] = Field(
        description="`read`: a role has it in what it answers next."
    )
    role: RoleName | None = Field(description="The role that read it, then the one that answered.")


class RunView(RunSummary):
    """A run with all that it found."""

    models: dict[RoleName, str] = Field(default={}, description="Of the newest attempt, by role.")
    version: str | None = Field(default=None, description="Of the service that ran it.")
    explanation: str | None = Field(
        default=None,
        description="Why there is nothing to change, as the planner says it, the repository's "
        "sentence that refuses such contributions, or what money or tokens did not suffice for.",
    )
    environment: EnvironmentView | None = None
    baseline: ValidationView | None = Field(
        default=None, description="How the checks end on the untouched base."
    )
    plan_id: str | None = Field(default=None, description="The plan that waits for an answer.")
    plan: Plan | None
    validations: list[ValidationView]
    reviews: list[Review]
    change: ChangeView | None = None
    base_sha: str | None = Field(
        default=None, description="Commit of the base branch that the change is of."
    )
    head_repo: str | None = None
    proof: Proof | None = Field(default=None, description="What the change's own tests show.")
    gate: GateReport | None
    messages: list[MessageView] = Field(default=[], description="To the run's roles.")
    usage: Usage
    roles: dict[RoleName, RolePart]
    nodes: list[NodePart] = Field(default=[], description="In the order of their first visits.")
    error: Failure | None


class EventPage(ResponseModel):
    """Events in order. The first one's number is the next `before`; 1 is the run's first event.

    A page of large events holds fewer than were asked for.
    """

    events: list[Annotated[dict[str, Any], WithJsonSchema(_EVENT)]] = Field(
        description="As the stream's `data`."
    )


class ActView(ResponseModel):
    """What somebody did to a run."""

    time: str = Field(description="RFC 3339 in UTC.", examples=["2026-01-31T12:00:00.000Z"])
    act: str = Field(
        description="Type of the event that told of it, or `run.removed`.",
        examples=["plan.answered", "cancel.requested"],
    )
    by: str = Field(description="Name of the key.", examples=["ann"])
    run_id: str = Field(description="Id of the run; it may be removed.", examples=[_RUN_ID])
    owner: str = Field(description="Name of the key that started the run.")
    repo_url: str = Field(description="Address of its repository.")
    details: dict[str, Any] = Field(description="The event's fields, without what was said.")


class Audit(ResponseModel):
    """Acts, newest first; `nextCursor` leads to older ones."""

    acts: list[ActView] = Field(description="On the runs that the caller may read.")
    next_cursor: str | None = Field(description="Null on the last page.")


class FiguresRow(ResponseModel):
    """The runs that were started in one week on one repository."""

    week: str = Field(description="ISO week in UTC.", examples=["2026-W05"])
    repo: str = Field(description="Its name in lower case.", examples=["octocat/hello"])
    runs: int = Field(description="Runs that were started.")
    pull_requests: int = Field(description="Pull requests that they opened or added to.")
    merged: int | None = Field(description="Of those, merged ones. Null where that is not known.")
    cost_usd: float = Field(description="US dollars, without runs of unknown price.")
    unpriced: int = Field(description="Runs of unknown price.")
    cost_per_merged_usd: float | None = Field(description="Null where none is known to be merged.")
    seconds_to_pull_request: float | None = Field(
        description="The median from a run's start to its pull request. Null without one."
    )
    drafts: dict[str, int] = Field(
        description="Pull requests left as drafts, by reason.", examples=[{"not_validated": 1}]
    )


class FiguresView(ResponseModel):
    """What runs came to, the newest week first."""

    rows: list[FiguresRow] = Field(description="One a week and repository.")

    @classmethod
    def columns(cls) -> list[str]:
        """The names of a row's fields, in order."""
        return [to_camel(name) for name in FiguresRow.model_fields]


class StreamEnd(ResponseModel):
    """Data of `stream.end`: where to go on reading."""

    run_id: str | None = Field(default=None, description="Of a run's events.", examples=[_RUN_ID])
    after: int | str | None = Field(description="Number of the last event, or the last cursor.")
    url: str = Field(description="What to ask for next.")


class RunRemoval(ResponseModel):
    """Data of `run.removed`: a run that is in no list any more."""

    run_id: str = Field(description="The run that somebody removed.", examples=[_RUN_ID])


class Accepted(ResponseModel):
    """A run to which something will happen."""

    run_id: str = Field(examples=[_RUN_ID])
    status: Status

    @classmethod
    def of(cls, record: RunRecord) -> "Accepted":
        return cls(run_id=record.run_id, status=record.status)


class RepositoryRights(ResponseModel):
    """What the service's token may do in a repository."""

    read: bool
    push: bool


class AuthTest(ResponseModel):
    """Whether the service's own credentials work: `ok` or an error code."""

    claude: str = Field(examples=["ok"])
    github: str = Field(examples=["ok", "github_unauthorized"])
    repo: RepositoryRights | None = Field(description="Null unless `repoUrl` was given.")


class LimitsView(ResponseModel):
    """The operator's limits of a run; a request lowers them."""

    max_cost_usd: float | None = Field(description="US dollars. Null without a limit.")
    max_fix_rounds: int
    timeout_s: int = Field(description="Seconds of work.")


class SessionView(ResponseModel):
    """Who calls, and what a run of this caller may be given."""

    name: str = Field(description="Name of the key; `local` without keys.", examples=["ann"])
    operator: bool = Field(description="Whether it sees and steers everybody's runs.")
    key_required: bool = Field(description="Whether this service has keys.")
    limits: LimitsView
    repositories: list[str] = Field(
        description="Globs of the repositories that this key may use; `*`: any.",
        examples=[["octocat/*"]],
    )
    models: list[str] = Field(description="Models that a request may name; empty: any.")
    allow: list[str] = Field(description="Rules of the gate that a request may let pass.")
    branch_prefix: str = Field(
        description="What a request's branch begins with; empty: anything.", examples=["agent/"]
    )


class RepositoryList(ResponseModel):
    """Repositories that the forge lists and the key may use."""

    repositories: list[str] = Field(
        description="OWNER/NAME of each, the last pushed first.", examples=[["octocat/todo"]]
    )


class Health(ResponseModel):
    """The process is alive."""

    status: Literal["ok"] = "ok"
    version: str = Field(examples=["1.0.0"])


class Ready(ResponseModel):
    """New runs are taken."""

    status: Literal["ready"] = "ready"


def event_page(events: Iterable[LoggedEvent]) -> str:
    """An EventPage as JSON, made of what the events are on the wire."""
    return f'{{"events":[{",".join(event.payload for event in events)}]}}'


def dump(answer: ResponseModel) -> dict[str, Any]:
    """An answer as JSON."""
    return answer.model_dump(mode="json", by_alias=True)
