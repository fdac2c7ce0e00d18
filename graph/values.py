"""What a run knows: small frozen values, safe to checkpoint, to send on and to show."""

import re
import shlex
from collections.abc import Iterable, Mapping
from posixpath import join, normpath
from typing import Any, ClassVar, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

RoleName = Literal["planner", "coder", "reviewer", "fixer", "setup"]
ROLE_NAMES: Final[tuple[RoleName, ...]] = get_args(RoleName)
ChangeMaker = RoleName | Literal["rebase", "pull"]
"""Who made a change: a role, the run that put one onto a newer base, or a pull request's author."""
NodeName = Literal["prepare", "plan", "approve", "code", "validate", "review", "fix", "publish"]
NODE_NAMES: Final[tuple[NodeName, ...]] = get_args(NodeName)
NODE_OF_ROLE: Final[Mapping[RoleName, NodeName]] = {
    "planner": "plan",
    "coder": "code",
    "reviewer": "review",
    "fixer": "fix",
}
"""A turn of `setup` is part of another node."""
Stop = Literal["budget", "tokens", "time", "turns"]
"""What a role ended without an answer for: money (`budget`), tokens, time, or its turns."""
Effort = Literal["low", "medium", "high", "xhigh", "max"]
"""How hard a model thinks."""
Severity = Literal["error", "warning", "info"]
CheckStatus = Literal["passed", "failed", "unavailable"]
ReportStatus = CheckStatus | Literal["stopped"]
Decision = Literal["approve", "revise", "reject"]
Verdict = Literal["approve", "request_changes"]
AllowName = Literal["workflows", "codeowners", "agent_config", "large_files"]
"""Rules of the gate that a request may let pass."""
FinalStatus = Literal[
    "succeeded",
    "no_changes",
    "rejected",
    "incomplete",
    "blocked",
    "budget_exhausted",
    "timed_out",
    "failed",
    "interrupted",
    "cancelled",
]
FINAL_STATUSES: Final[frozenset[FinalStatus]] = frozenset(get_args(FinalStatus))
Status = Literal["queued", "running", "waiting"] | FinalStatus


class Value(BaseModel):
    """A frozen value; camelCase on the wire, snake_case in Python, either on input."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )


class Commit(Value):
    """A commit, and the id of its tree."""

    sha: str
    tree: str


class PullGround(Value):
    """The pull request whose head a run starts from.

    `start` is where its branch left the base branch. `head_branch` is in `head_repo` (OWNER/NAME),
    which may be a `fork`. `ours`: the token's account opened it. `merged`: the head of a run that
    merges the base branch into it and starts from that; None where it starts from the head.
    """

    number: int
    url: str
    head_repo: str
    head_branch: str
    start: Commit
    fork: bool = False
    ours: bool = False
    merged: Commit | None = None


class Base(Value):
    """The commit a run starts from.

    `address` is `https://HOST/OWNER/REPO` without `.git`, or the absolute path of a local checkout.
    `tree` is the id of the commit's tree, `version` what the repository's tags would release it as,
    or empty. `notes` say what a reader should know. `public`: all may read it. `writable`: the
    forge's account may push to the repository, or it is a checkout. `changelog`: the file, or the
    folder of fragments with a slash at its end, in which changes are noted. `parent`: the
    checkout's commit below `sha`, where that holds its uncommitted changes. `moved`: how often the
    run went over to a newer commit; each has a repository of its own. On a `pull` request
    `branch` is the one it goes to, and `trusted` the newest commit of that.
    """

    address: str
    full_name: str
    branch: str
    sha: str
    tree: str
    local: bool = False
    public: bool = False
    writable: bool = True
    moved: int = 0
    parent: str = ""
    notes: tuple[str, ...] = ()
    version: str = ""
    changelog: str = ""
    pull: PullGround | None = None
    trusted: Commit | None = None

    @property
    def trusted_base(self) -> "Base":
        """The base that decides over instructions, settings, set-up and checks."""
        if self.trusted is None:
            return self
        return self.model_copy(update=self.trusted.model_dump() | {"trusted": None, "pull": None})


_WORD = r"""(?![-~])(?:'[^']*'|"[^"$`\\]*"|\\[^\n]|[^\s'"\\;&|<>$`()*?\[\]{}!#])+"""
_CHANGE_FOLDER: Final = re.compile(rf"\s*cd\s+({_WORD})\s*&&\s*(\S.*)", re.DOTALL)


class FolderCommand(Value):
    """A shell command and the folder it starts in.

    `folder` is seen from the top of the repository, without a slash at its end; empty: the top.
    A text that begins with `cd FOLDER &&` is taken apart.
    """

    command: str
    folder: str = ""

    @model_validator(mode="before")
    @classmethod
    def _take_apart(cls, data: Any) -> Any:
        """Also what was kept while a command held the `cd` to its folder."""
        fields = {"command": data} if isinstance(data, str) else data
        if not isinstance(fields, dict) or not isinstance(text := fields.get("command"), str):
            return data
        if folder := fields.get("folder"):
            return {**fields, "command": text.removeprefix(f"cd {shlex.quote(str(folder))} && ")}
        for _ in range(16):  # the rest of a longer row stays in the command
            if not (match := _CHANGE_FOLDER.fullmatch(text)) or len(match[1]) > 4096:
                break
            inner = normpath(join(folder or "", *shlex.split(match[1])))
            if inner.startswith(("/", "..", "-")):
                break
            folder, text = "" if inner == "." else inner, match[2]
        return {**fields, "command": text, "folder": folder or ""}

    @property
    def shell(self) -> str:
        """The command as it is run from the top of the repository."""
        return f"cd {shlex.quote(self.folder)} && {self.command}" if self.folder else self.command


def commands_of(texts: Iterable[FolderCommand | str]) -> tuple[FolderCommand, ...]:
    """The commands as people wrote them, or as they were kept."""
    return tuple(map(FolderCommand.model_validate, texts))


class Check(FolderCommand):
    """A command whose exit code says whether the change holds, and who asked for it.

    `main`: the test command of the root, or of the only package; by it an environment is judged.
    """

    source: Literal["caller", "repository", "plan"]
    kind: Literal["test", "lint"] = "test"
    main: bool = False


class Plan(Value):
    """What the planner means to do; `short` is the route of a one-step request."""

    summary: str
    route: Literal["short", "full"] = "full"
    steps: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    """`path:from-to` of the base, for whoever carries it out without having read it."""
    validate_: tuple[str, ...] = Field(default=(), alias="validate")


class Approval(Value):
    """The caller's answer to a waiting plan; `plan` replaces the plan that is approved."""

    EXPECTED: ClassVar[str] = (
        'A JSON object: {"decision": "approve"}, {"decision": "revise", "feedback": "…"} or'
        ' {"decision": "reject"}. A "plan" beside "approve" takes the place of this one.'
    )

    decision: Decision
    plan_id: str | None = None
    plan: Plan | None = None
    feedback: str = ""


class ChangeRef(Value):
    """A whole change against the base as a role handed it over: `changes/NNNN-<role>.patch`."""

    step: int
    role: ChangeMaker
    digest: str
    """`sha256:` and the hex digest of the patch's bytes."""


class ChangedFile(Value):
    """One changed path; `added` and `removed` count lines and are 0 for a binary file."""

    path: str
    added: int
    removed: int


class Change(Value):
    """A change as the trusted side read it: its tree applies the patch to the base."""

    ref: ChangeRef
    tree: str
    files: tuple[ChangedFile, ...]
    title: str = ""
    summary: str = ""
    done: bool = True
    """False where its maker says that something asked for is missing."""
    unchecked: tuple[str, ...] = ()
    """What is not done or could not be checked, a sentence each."""


class CommandReport(FolderCommand):
    """One check on a tree; `exit_code` is None where it could not start or was stopped.

    `counts` is what its own report says, such as `1451 passed`, as far as it came. `limit` names
    the limit that stopped it, after `duration_ms`. `lacking` is what it says of a module or a tool
    that is not installed; not `loaded`: it failed, and by what it says no test came to its end.
    """

    exit_code: int | None
    status: ReportStatus
    duration_ms: int
    output: str = ""
    counts: str = ""
    limit: Literal["time", "memory", "pids", "disk", "output"] | None = None
    lacking: str = ""
    loaded: bool = True


class Finding(Value):
    """What the reviewer objects to; an `error` must be fixed."""

    severity: Severity
    path: str = ""
    line: int | None = None
    message: str


GAP_RULES = ("not_covered", "base_stopped", "stale", "nothing_ran", "cut_short", "masked")
"""What of a change was not validated."""
NOTE_RULES = ("changelog",)
"""What the repository asks of each change, and this one lacks."""
FACT_RULES = ("base_tests", "no_tests", "set_up", "unread")
"""What a change does to its checks, as facts; other rules are patterns, which may be mistaken."""


class ValidationFinding(Finding):
    """What a change does to tests and checks, or what of it was not validated.

    `base_tests`: a check that passes fails with the base's. `no_tests`: it tells of no test, where
    on the base it did. `base_stopped`: tests fail of which the base's run does not tell.
    `nothing_ran`: it says that it ran none. `cut_short`: after a known failure it left tests out,
    or said too much to be read. `masked`: it passes, and reports failures that the base has not.
    """

    rule: str


TestStatus = Literal["passed", "failed", "not_importable", "missing", "stopped"]


class ProofTest(Value):
    """A test that a change adds or edits, over the sources of the base and over the change's."""

    id: str
    without_change: TestStatus
    with_change: TestStatus


class Proof(Value):
    """What the change's own tests show: `shown` where one ran without it, and failed there.

    `not_tried` names files whose tests cannot be run so, such as those inside of sources.
    """

    tests: tuple[ProofTest, ...] = ()
    shown: bool = False
    not_tried: tuple[str, ...] = ()


class Validation(Value):
    """All checks on one change, compared with the untouched base.

    `new_failures` and `known_failures` name tests where the check's output could be parsed, else
    commands. `known_failures` fail on the base too; `flaky` failed once and passed when run again.
    `kept`: an earlier run found it, on the same files. Not `needed`: the change is of documents
    alone, which no check has to hold.
    """

    status: CheckStatus
    commands: tuple[CommandReport, ...] = ()
    new_failures: tuple[str, ...] = ()
    known_failures: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    findings: tuple[ValidationFinding, ...] = ()
    proof: Proof | None = None
    kept: bool = False
    needed: bool = True


class Review(Value):
    """The reviewer's structured answer."""

    verdict: Verdict
    summary: str = ""
    findings: tuple[Finding, ...] = ()


class Failure(Value):
    """An error of the run as data: stable code, what happened, what to do, where it stopped."""

    code: str
    message: str
    hint: str = ""
    node: str = ""


class Stopped(Value):
    """A role's or a check's end before its work was done, and the node it happened in."""

    why: Stop
    node: NodeName


class Outcome(Value):
    """How the run ended; `reason` is a stable code such as `fix_rounds_exhausted`, or empty."""

    status: FinalStatus
    reason: str = ""
