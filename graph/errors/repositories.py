"""Errors of git, the forge and repositories that cannot be used."""

from typing import TYPE_CHECKING, Any

from graph.errors.base import CodingAgentError

if TYPE_CHECKING:
    from graph.publication import GateFinding


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


class BranchExists(RepositoryError):
    """Raised when `branch` names a branch that the repository has, or that leaves it no place."""

    code = "branch_exists"
    default_hint = "Give a branch that the repository does not have, or leave it out."


class CommitNotFound(RepositoryError):
    """Raised when a repository has no commit of that name."""

    code = "commit_not_found"
    default_hint = "Give the commit's whole hash, and check that the repository has it."


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


class PullRequestNotFound(RepositoryError):
    """Raised when a repository has no such pull request, or the token may not see it."""

    code = "pull_request_not_found"
    default_hint = "Check the number, and that GITHUB_TOKEN may read this repository."


class PullRequestClosed(RepositoryError):
    """Raised when a run cannot go on with a pull request because it was merged or closed."""

    code = "pull_request_closed"
    default_hint = "Reopen it, or start a run on its base branch."


class PullRequestMoved(RepositoryError):
    """Raised when others pushed to a pull request and the change cannot be put onto that."""

    code = "pull_request_moved"
    default_hint = "Nothing was pushed and the patch is kept: start a run on it as it is now."


class PatchTooLarge(RepositoryError):
    """Raised when a change is larger than trusted git will read."""

    code = "patch_too_large"
    default_hint = "Ask for less in one run, or keep generated and large files out of it."


class PatchUnusable(RepositoryError):
    """Raised when a change does not apply to its base, or names paths git refuses."""

    code = "patch_unusable"
    default_hint = "Resume the run; where it happens again, start a new one."


class PushRejected(RepositoryError):
    """Raised when the forge refused a push."""

    code = "push_refused"
    default_hint = "See the repository's rules for branches and pushes."


class PushBlocked(PushRejected):
    """Raised when the forge refused a push for what the change holds; `findings` say what."""

    code = "push_blocked"

    def __init__(
        self, message: str, hint: str = "", findings: "tuple[GateFinding, ...]" = ()
    ) -> None:
        super().__init__(message, hint)
        self.findings = findings

    def __reduce__(self) -> tuple[type["PushBlocked"], tuple[Any, ...]]:
        return type(self), (self.message, self.hint, self.findings)


class PullRequestOpen(RepositoryError):
    """Raised when a pull request of ours is open where the account has no write."""

    code = "pull_request_open"
    default_hint = "Go on with that one (`--pr URL`), or wait until it is merged or closed."


class SecretSearchFailed(RepositoryError):
    """Raised when the text to be published could not be searched for secrets."""

    code = "secret_search_failed"
    default_hint = "Nothing was published and the change is kept: resume the run."


class SigningFailed(RepositoryError):
    """Raised when the operator's key cannot sign a commit."""

    code = "signing_failed"
    default_hint = (
        "Set CODING_AGENT_SIGNING_KEY_FILE to a private key of SSH or GPG without a passphrase,"
        " then run again; `coding-agent doctor` tries it."
    )


class GitFailed(RepositoryError):
    """Raised when a git command failed for a reason that has no code of its own."""

    code = "git_failed"
    default_hint = "See the message; resume the run once that is fixed."
