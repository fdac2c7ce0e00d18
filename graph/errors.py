"""Every error that can end a run or refuse a request. Foreign errors are mapped where they arise.

CodingAgentError
├── RequestError            the caller asked for something that cannot be
│   ├── InvalidRequest        a field is wrong
│   ├── InvalidRepoUrl        not an address of a repository here
│   ├── RepositoryNotAllowed  outside CODING_AGENT_REPOS (answered as a missing repository)
│   ├── ModelNotAllowed       outside CODING_AGENT_MODELS
│   ├── LimitRaised           a request tried to raise an operator's limit
│   ├── IdempotencyMismatch   the same Idempotency-Key with another body
│   └── RunRemoved            the same Idempotency-Key after its run was removed
├── RunError                what was asked of a run does not fit its state
│   ├── RunNotFound  RunActive  RunFinished  RunNotWaiting  RunAbandoned  PlanChanged
│   └── TooManyRuns  TooManyReaders
├── RepositoryError         git or the forge refused, or the repository is not usable
│   ├── RepositoryNotFound  BranchNotFound  EmptyRepository  RepositoryArchived  RepositoryTooLarge
│   ├── PatchTooLarge  PatchUnusable
│   ├── PushRefused  GitFailed
│   └── PushBlocked           refused for what the change holds: ends the run `blocked`
├── GitHubError             GitHub's API
│   ├── GitHubUnauthorized  GitHubForbidden  GitHubRateLimited  GitHubUnavailable  GitHubRejected
├── ClaudeError             the Messages API
│   ├── ClaudeUnauthorized  ClaudeBilling  ClaudeRateLimited  ClaudeUnavailable  ClaudeRejected
│   └── ClaudeRefused  ContextExceeded
├── RoleError               a role did not come to an answer
│   ├── RoleTurnLimit  RoleNoAnswer  RoleInCircles  RoleSuperseded  RoleLost
│   └── SecretInChange  PriceUnknown
├── SandboxError            untrusted code could not be run safely
│   ├── SandboxUnavailable  SandboxLost  SetupFailed
└── StoreError              the record of runs
    ├── StoreLocked  StoreFull  StoreDamaged  StoreUnavailable  StoreStale  VersionChanged
"""

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from graph.values import GateFinding


class CodingAgentError(Exception):
    """Raised when something expected to be able to go wrong did; `code` is stable."""

    code: ClassVar[str] = "internal"
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def __reduce__(self) -> tuple[type["CodingAgentError"], tuple[Any, ...]]:
        return type(self), (self.message, self.hint)


class RequestError(CodingAgentError):
    """Raised when a request cannot be carried out as it stands."""

    code = "invalid_request"


class InvalidRequest(RequestError):
    """Raised when a field of a request is wrong."""

    code = "invalid_request"


class InvalidRepoUrl(RequestError):
    """Raised when `repoUrl` is not an address of a repository below the configured host."""

    code = "invalid_repo_url"
    default_hint = (
        "Give OWNER/REPO below the configured address, such as https://github.com/octocat/hello."
    )


class RepositoryNotAllowed(RequestError):
    """Raised when a repository is outside CODING_AGENT_REPOS; told as a missing repository."""

    code = "repository_not_found"
    default_hint = "Check the name, and that CODING_AGENT_REPOS and the token cover it."


class ModelNotAllowed(RequestError):
    """Raised when a request names a model that CODING_AGENT_MODELS does not list."""

    code = "model_not_allowed"
    default_hint = "Use a model that CODING_AGENT_MODELS lists, or leave it out."


class LimitRaised(RequestError):
    """Raised when a request tries to raise a limit that the operator set."""

    code = "limit_raised"
    default_hint = "A request may lower an operator's limit, never raise it."


class IdempotencyMismatch(RequestError):
    """Raised when an Idempotency-Key comes again with another body."""

    code = "idempotency_mismatch"
    default_hint = "Use a new Idempotency-Key for a new request."


class RunRemoved(RequestError):
    """Raised when an Idempotency-Key comes again after the run that it started was removed."""

    code = "run_removed"
    default_hint = "Its work was done or given up. Use a new Idempotency-Key to start another run."


class RunError(CodingAgentError):
    """Raised when what is asked of a run does not fit its state."""

    code = "run_error"


class RunNotFound(RunError):
    """Raised when there is no such run for this caller."""

    code = "run_not_found"
    default_hint = "List the runs to see their ids."


class RunActive(RunError):
    """Raised when a run must have ended for what is asked, and has not."""

    code = "run_active"
    default_hint = "Cancel the run, or wait for its end."


class RunFinished(RunError):
    """Raised when a run must not have ended for what is asked, and has."""

    code = "run_finished"
    default_hint = "Start a new run."


class RunNotWaiting(RunError):
    """Raised when a plan is answered while the run does not wait for an answer."""

    code = "run_not_waiting"
    default_hint = "Look at the run: its plan is answered already, or not made yet."


class RunAbandoned(RunError):
    """Raised when a run is waited for that no process drives or will pick up."""

    code = "run_abandoned"
    default_hint = "Resume the run, cancel it, or start a server, which picks it up."


class PlanChanged(RunError):
    """Raised when the answered plan is no longer the one that waits."""

    code = "plan_changed"
    default_hint = "Read the newest plan and answer that one."


class TooManyRuns(RunError):
    """Raised when the queue of runs is full."""

    code = "too_many_runs"
    default_hint = "Try again later, or raise CODING_AGENT_MAX_QUEUED_RUNS."


class TooManyReaders(RunError):
    """Raised when too many readers watch runs."""

    code = "too_many_readers"
    default_hint = "Try again later, or raise CODING_AGENT_MAX_READERS."


class RepositoryError(CodingAgentError):
    """Raised when git or the forge refused, or the repository is not usable."""

    code = "repository_error"


class RepositoryNotFound(RepositoryError):
    """Raised when a repository is missing, or the token may not see it."""

    code = "repository_not_found"
    default_hint = "Check the name, and that GITHUB_TOKEN may read this repository."


class BranchNotFound(RepositoryError):
    """Raised when the base branch is not in the repository."""

    code = "branch_not_found"
    default_hint = "Give baseBranch as the repository has it, or leave it out."


class EmptyRepository(RepositoryError):
    """Raised when a repository has no commit to start from."""

    code = "empty_repository"
    default_hint = "Push a first commit, then run again."


class RepositoryArchived(RepositoryError):
    """Raised when a repository is read-only because it is archived."""

    code = "repository_archived"
    default_hint = "Unarchive the repository in its settings."


class RepositoryTooLarge(RepositoryError):
    """Raised when a repository is over the limits of size, files or time."""

    code = "repo_too_large"
    default_hint = "It is over the limits of this machine: work on a smaller repository."


class PatchTooLarge(RepositoryError):
    """Raised when a change is larger than trusted git will read."""

    code = "patch_too_large"
    default_hint = "Ask for less in one run, or keep generated and large files out of it."


class PatchUnusable(RepositoryError):
    """Raised when a change does not apply to its base, or names paths git refuses."""

    code = "patch_unusable"
    default_hint = "Resume the run; where it happens again, start a new one."


class PushRefused(RepositoryError):
    """Raised when the forge refused a push."""

    code = "push_refused"
    default_hint = "See the repository's rules for branches and pushes."


class PushBlocked(PushRefused):
    """Raised when the forge refused a push for what the change holds; `findings` say what."""

    code = "push_blocked"

    def __init__(
        self, message: str, hint: str = "", findings: "tuple[GateFinding, ...]" = ()
    ) -> None:
        super().__init__(message, hint)
        self.findings = findings

    def __reduce__(self) -> tuple[type["PushBlocked"], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.findings)


class GitFailed(RepositoryError):
    """Raised when a git command failed for a reason that has no code of its own."""

    code = "git_failed"
    default_hint = "See the message; resume the run once that is mended."


class GitHubError(CodingAgentError):
    """Raised when GitHub's API refused or could not be reached."""

    code = "github_error"


class GitHubUnauthorized(GitHubError):
    """Raised when GitHub does not accept the token (401)."""

    code = "github_unauthorized"
    default_hint = "Renew GITHUB_TOKEN."


class GitHubForbidden(GitHubError):
    """Raised when the token lacks a right (403)."""

    code = "github_forbidden"
    default_hint = "Give the token Contents and Pull requests read/write on this repository."


class GitHubRateLimited(GitHubError):
    """Raised when a rate limit does not end within the run's time (403 or 429)."""

    code = "github_rate_limited"
    default_hint = "Wait until the limit ends, then resume the run."


class GitHubUnavailable(GitHubError):
    """Raised when GitHub does not answer, or answers 5xx, after all tries."""

    code = "github_unavailable"
    default_hint = "See https://www.githubstatus.com, then resume the run."


class GitHubRejected(GitHubError):
    """Raised when GitHub answers 4xx for a reason that has no code of its own."""

    code = "github_rejected"
    default_hint = "See the message; resume the run once that is mended."


class ClaudeError(CodingAgentError):
    """Raised when the Messages API refused or could not be reached."""

    code = "claude_error"


class ClaudeUnauthorized(ClaudeError):
    """Raised when the Messages API does not accept the key (401, 403), or there is none."""

    code = "claude_unauthorized"
    default_hint = "Set ANTHROPIC_API_KEY to a valid key."


class ClaudeBilling(ClaudeError):
    """Raised when the account's credit or spend limit is used up (402 and alike)."""

    code = "claude_billing"
    default_hint = "Check credit and spend limits of the account that owns the key."


class ClaudeRateLimited(ClaudeError):
    """Raised when a rate limit does not end within the run's time (429)."""

    code = "claude_rate_limited"
    default_hint = "Wait, or raise the account's limits, then resume the run."


class ClaudeUnavailable(ClaudeError):
    """Raised when the Messages API does not answer, or answers 5xx or 529, after all tries."""

    code = "claude_unavailable"
    default_hint = "See https://status.anthropic.com, then resume the run."


class ClaudeRejected(ClaudeError):
    """Raised when the Messages API answers 4xx to a request that repeating will not mend."""

    code = "claude_rejected"
    default_hint = "Check the model, and ANTHROPIC_BASE_URL where a gateway is used."


class ClaudeRefused(ClaudeError):
    """Raised when Claude ended its reply with a refusal."""

    code = "claude_refused"
    default_hint = "Word the request otherwise, or use another model."


class ContextExceeded(ClaudeError):
    """Raised when a role's conversation no longer fits the model's window."""

    code = "context_exceeded"
    default_hint = "Ask for less in one run, or use a model with a larger window."


class RoleError(CodingAgentError):
    """Raised when a role did not come to an answer."""

    code = "role_error"


class RoleTurnLimit(RoleError):
    """Raised when a role used all its turns."""

    code = "role_turn_limit"
    default_hint = "Ask for less in one run, or resume it."


class RoleNoAnswer(RoleError):
    """Raised when a role's answer does not fit its form, asked again too."""

    code = "role_no_answer"
    default_hint = "Resume the run, or use another model."


class RoleInCircles(RoleError):
    """Raised when a role does the same again and again, told that it does so too."""

    code = "role_in_circles"


class RoleSuperseded(RoleError):
    """Raised when a newer call of the same run took over from this one."""

    code = "role_superseded"
    default_hint = "Nothing to do: the newer call goes on."


class RoleLost(RoleError):
    """Raised when what played a role elsewhere ended again and again without an answer."""

    code = "role_lost"
    default_hint = "See the log of the role's function, then resume the run."


class SecretInChange(RoleError):
    """Raised when a change holds the Claude key."""

    code = "secret_in_change"
    default_hint = "Change the key: the repository or its tools have printed it."


class PriceUnknown(RoleError):
    """Raised when a model has no known price and no token limit is set."""

    code = "price_unknown"
    default_hint = "Set CODING_AGENT_MAX_TOKENS, or use a model with a known price."


class SandboxError(CodingAgentError):
    """Raised when untrusted code could not be run safely."""

    code = "sandbox_error"


class SandboxUnavailable(SandboxError):
    """Raised when no sandbox holds on this machine."""

    code = "sandbox_unavailable"
    default_hint = "Run `coding-agent doctor`: it tries the sandbox and says what to install."


class SandboxLost(SandboxError):
    """Raised when a sandbox went away under a command."""

    code = "sandbox_lost"
    default_hint = (
        "Resume the run; where it happens again, see what ends processes on this machine."
    )


class SetupFailed(SandboxError):
    """Raised when a set-up command failed; `command` is the one."""

    code = "setup_failed"
    default_hint = "Mend the request's setup commands, or what they need."

    def __init__(self, message: str, hint: str = "", command: str = "") -> None:
        super().__init__(message, hint)
        self.command = command

    def __reduce__(self) -> tuple[type["SetupFailed"], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.command)


class StoreError(CodingAgentError):
    """Raised when the record of runs cannot be read or written."""

    code = "store_error"


class StoreLocked(StoreError):
    """Raised when another process holds the store's lock too long."""

    code = "store_locked"
    default_hint = "End the program that holds it open, such as a database browser or a backup."


class StoreFull(StoreError):
    """Raised when there is no space left for the store."""

    code = "store_full"
    default_hint = "Free space on the disk that holds CODING_AGENT_DATA_DIR."


class StoreDamaged(StoreError):
    """Raised when the store's file is not readable; nothing is overwritten."""

    code = "store_damaged"
    default_hint = "Restore the file from a backup, or move it away."


class StoreUnavailable(StoreError):
    """Raised when a store that is elsewhere does not answer, after all tries."""

    code = "store_unavailable"
    default_hint = "See https://status.modal.com, then try again or resume the run."


class StoreStale(StoreError):
    """Raised when a shared folder does not show what another function has handed over."""

    code = "store_stale"
    default_hint = "Resume the run; where it happens again, see https://status.modal.com."


class VersionChanged(StoreError):
    """Raised when a run was begun by a version whose state this one cannot carry on."""

    code = "version_changed"
    default_hint = "Resume the run with the release that began it, or start a new one."
