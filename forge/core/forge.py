"""What a forge is to all other folders. One of them, such as `forge.github`, implements it."""

from dataclasses import dataclass
from typing import Literal, Protocol, Self

from forge.core.branch_rules import BranchRule
from forge.core.conversations import Conversations
from forge.core.credentials import Credentials
from forge.core.hook_deliveries import HookDeliveries
from forge.core.own_checks import OwnChecks
from forge.core.pull_checks import PullChecks
from graph import Emit, RetryPolicy, unheard
from graph.errors import ForgeUnauthorized, PullRequestClosed, PushRejected

ONCE = RetryPolicy(attempts=1)


@dataclass(frozen=True)
class GitAccess:
    """How git reaches the forge: `web` is `https://HOST`, below which all repositories lie.

    git signs in as `user` with a repository's token as password.
    """

    web: str
    credentials: Credentials
    user: str


@dataclass(frozen=True)
class RepositoryFacts:
    """What the forge says of a repository to whoever holds the token."""

    number: int
    """Its own for as long as it exists, whatever its name is."""
    full_name: str
    default_branch: str
    archived: bool
    private: bool
    push: bool
    """Whether the account has the right; true of an App's, whose rights are not told."""
    forkable: bool = True
    pulls: Literal["all", "collaborators", "none"] = "all"
    """Who may open pull requests."""


@dataclass(frozen=True)
class Account:
    """Whose the token is. `author`: `Name <email>` that the forge links to it."""

    author: str
    user: bool = True
    """A person's or a machine's own account, not that of an App."""
    starts_automation: bool = True
    """Whether what it pushes starts the repository's automation."""

    @property
    def login(self) -> str:
        """The name that it has at the forge."""
        return self.author.partition(" <")[0]


@dataclass(frozen=True)
class Pull:
    """A pull request."""

    number: int
    url: str
    draft: bool
    title: str = ""


@dataclass(frozen=True)
class PullFacts:
    """What the forge says of a pull request.

    `head_repo` is the full name of the repository that its branch is in, empty where that is gone.
    `author` is the name of the account that opened it.
    """

    number: int
    url: str
    is_open: bool
    title: str
    author: str
    base_branch: str
    head_repo: str
    head_branch: str
    draft: bool = False


@dataclass(frozen=True)
class PullText:
    title: str
    body: str


@dataclass(frozen=True)
class LineComment:
    """A comment at a line of a file, as the pull request's head has it."""

    path: str
    line: int
    body: str


@dataclass(frozen=True)
class ReviewText:
    """A review with its line comments on the commit `sha`, empty: the newest."""

    body: str
    sha: str = ""
    comments: tuple[LineComment, ...] = ()


@dataclass(frozen=True)
class MergedPull:
    """A pull request that was merged; `base_sha` is where its base branch stood last."""

    number: int
    text: PullText
    base_sha: str
    head_sha: str
    merged_at: float


@dataclass(frozen=True)
class Target:
    """Where the branch and its pull request go; `fork`: the branch is in a fork of ours."""

    branch: str
    base_branch: str
    fork: bool = False
    starts_automation: bool = True
    """Whether what our account pushes starts anything."""


class Forge(Conversations, PullChecks, OwnChecks, HookDeliveries, Protocol):
    """One account's view of a forge. `full_name` is `OWNER/NAME`.

    Reads are repeated, and raise an error of `graph.errors`. Writes are made once, and also raise
    TransientError or Unprocessable where their caller can go on: see `forge.publish`.
    """

    name: str
    """As people know it."""
    token_setting: str
    """The setting that holds the token."""
    access: GitAccess
    retry_policy: RetryPolicy
    workflows: str
    """The file or folder that says what the forge runs for a push or a pull request."""
    templates: tuple[str, ...]
    """Where a template of a pull request may lie; the first that is there counts."""

    async def open(self) -> None:
        """Import what is slow to import, ahead of its first use."""
        ...

    def patient(self, deadline: float) -> Self:
        """The same account, which waits as it is asked to until `deadline`, in Unix seconds."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    async def probe(self) -> None:
        """Raise the ForgeError that a call meets. Changes nothing, waits for nothing."""
        ...

    async def account(
        self,
        emit: Emit = unheard,
        retry_policy: RetryPolicy | None = None,
        *,
        full_name: str = "",
    ) -> Account:
        """The token's account, asked once; of one that the forge does not tell, a name for show.

        Where each repository has a token of its own, that of `full_name` serves.
        """
        ...

    async def repository(
        self,
        full_name: str,
        emit: Emit = unheard,
        retry_policy: RetryPolicy | None = None,
        *,
        max_age_s: float = 0,
    ) -> RepositoryFacts:
        """The repository, under its present name; what was told `max_age_s` ago will do.

        Raises RepositoryNotFound, ForgeError.
        """
        ...

    async def repository_names(self, limit: int) -> list[str]:
        """OWNER/NAME of those that the account is a member of, the last pushed first.

        At most `limit`, those that are archived left out. Raises ForgeError.
        """
        ...

    async def recent_messages(
        self, full_name: str, branch: str, limit: int, emit: Emit = unheard
    ) -> list[str]:
        """The messages of a branch's newest commits, merges left out, by one call."""
        ...

    async def branch_rules(
        self, full_name: str, branch: str, emit: Emit = unheard
    ) -> tuple[BranchRule, ...]:
        """Rules for a branch, there or not, that the account must keep and a push may break."""
        ...

    async def required_checks(self, full_name: str, branch: str) -> frozenset[str]:
        """Names of the checks that a branch requires of what is merged into it.

        The branch's rules are as they were within the last hour.
        """
        ...

    async def pull(self, full_name: str, number: int, emit: Emit = unheard) -> PullFacts:
        """A pull request. Raises PullRequestNotFound, ForgeError."""
        ...

    def pull_ref(self, number: int) -> str:
        """The ref by which git has a pull request's head in the repository that it goes to."""
        ...

    async def find_pull(
        self, full_name: str, base: str, head: str, emit: Emit = unheard
    ) -> Pull | None:
        """The open pull request from `head`, a branch or a fork's `OWNER:BRANCH`, to `base`."""
        ...

    async def create_pull(
        self, full_name: str, base: str, head: str, text: PullText, *, draft: bool
    ) -> Pull:
        """Open a pull request."""
        ...

    async def try_pull(self, full_name: str, base: str, *, fork: bool = False) -> None:
        """Ask for a pull request that no forge opens: of a branch to itself.

        With `fork` it is of a branch that the account's fork does not have.

        Raises ForgeForbidden where the token may open none.
        """
        ...

    async def edit_pull(self, full_name: str, number: int, text: PullText) -> Pull:
        """Replace a pull request's title and body."""
        ...

    async def mark_ready(self, full_name: str, number: int) -> None:
        """Take a pull request out of its draft state."""
        ...

    async def try_review(self, full_name: str, number: int) -> None:
        """Ask for a review that no forge takes: one that says nothing.

        Raises ForgeForbidden where the token may put none there.
        """
        ...

    async def create_review(self, full_name: str, number: int, text: ReviewText) -> None:
        """Review a pull request, neither for it nor against it."""
        ...

    async def add_labels(self, full_name: str, number: int, labels: tuple[str, ...]) -> None:
        """Add labels to a pull request; those that are new are made."""
        ...

    async def request_reviewers(
        self, full_name: str, number: int, reviewers: tuple[str, ...]
    ) -> None:
        """Ask people, and teams named `ORG/TEAM`, for a review."""
        ...

    async def create_fork(self, full_name: str) -> str:
        """Ask for the account's fork, and get the full name of a new one or the one it has."""
        ...

    async def create_branch(self, full_name: str, branch: str, sha: str) -> None:
        """Make a branch at a commit."""
        ...

    async def delete_branch(self, full_name: str, branch: str) -> None:
        """Remove a branch."""
        ...

    async def merged_pulls(
        self, full_name: str, since: float, limit: int, emit: Emit = unheard
    ) -> list[MergedPull]:
        """Those merged after `since` (Unix seconds), the last changed first, at most `limit`."""
        ...

    async def merge_base(
        self, full_name: str, base_sha: str, head_sha: str, emit: Emit = unheard
    ) -> str:
        """The newest commit that both come from."""
        ...

    async def signing_keys(self, login: str, emit: Emit = unheard) -> tuple[str, ...]:
        """Public keys that an account says it signs with; none where the forge has none."""
        ...

    async def issue_text(self, full_name: str, number: int, emit: Emit = unheard) -> PullText:
        """What an issue says. Raises RepositoryNotFound where there is none."""
        ...

    def explain_push_rejection(self, full_name: str, reason: str, said: str) -> PushRejected:
        """The error of a rejected ref: `reason` is git's word, `said` what the forge printed."""
        ...

    def explain_workflow(self, content: bytes | None, target: Target) -> str:
        """What one file of `workflows` does with a publication, as one sentence without its end.

        Empty where it does nothing. `content` is None where it is too large to be read.
        """
        ...


def check_open(pull: PullFacts) -> None:
    """Raise PullRequestClosed where nothing can be added to a pull request any more."""
    if not pull.is_open:
        raise PullRequestClosed(f"{pull.url} is merged or closed.")
    if not pull.head_repo:
        raise PullRequestClosed(
            f"The repository that {pull.url} comes from is gone.",
            "Start a run on its base branch.",
        )


def check_token(forge: Forge, full_name: str, *, hint: str) -> None:
    """Raise ForgeUnauthorized where no token is set."""
    if not forge.access.credentials.present:
        raise ForgeUnauthorized(
            f"There is no {forge.name} token, so {full_name} could not be pushed to.",
            f"Set {forge.token_setting}, {hint}.",
        )
