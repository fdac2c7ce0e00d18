"""What would make a publication impossible, tried before anything is paid for."""

import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from forge.base.pull_merge import branch_tip
from forge.core.branch_names import parent_branches
from forge.core.branch_rules import BranchRule, RuleKind
from forge.core.forge import Forge, RepositoryFacts
from forge.core.repository_address import RepoAddress, parse
from forge.git.command import Git
from forge.git.push import branches_in_way, try_push
from forge.publish.name_patterns import matches
from forge.publish.outside_pulls import find_open, still_open
from forge.publish.pull_requests import head_address
from forge.publish.steps import branch_exists
from graph import Base, Emit, PullGround, RunFolder
from graph.errors import (
    BranchExists,
    CodingAgentError,
    ForgeForbidden,
    ForgeUnauthorized,
    PushRejected,
    RepositoryError,
    RepositoryNotFound,
)

T = TypeVar("T")
U = TypeVar("U")

_AGAIN: Final = "then run again"
_NO_AUTOMATION: Final = (
    "GitHub starts no workflow for what the token of Actions pushes, or only once somebody approves"
    " it. Set GITHUB_TOKEN to a token of an account or of an App."
)
_FROM_FORK: Final = (
    "The pull request comes from a fork: of a first contribution, workflows start once somebody"
    " approves them."
)
_UNSIGNED: Final = (
    "The rules of {} ask for signed commits and the run's are not signed: squash them when merging,"
    " or set CODING_AGENT_SIGNING_KEY_FILE."
)
_SHOWN: Final = 200
_OF_NEW_BRANCHES: Final[tuple[RuleKind, ...]] = ("creation", "branch_name")
_JUST_ASKED_S: Final = 60.0
"""What was told of the repository when its base was made is not asked for again."""


@dataclass(frozen=True)
class Written:
    """What a publication writes, as far as that is known: `message` is one like the commit's."""

    branch: str
    message: str
    author: str = ""
    signed: bool = False


@dataclass(frozen=True)
class Preflight:
    """The way of one run's change to the forge; `author` is that of the settings."""

    git: Git
    forge: Forge
    author: str | None
    forks: bool
    emit: Emit

    async def check(self, run: RunFolder, base: Base, written: Written) -> tuple[str, ...]:
        """What a reader should know, a sentence each.

        Raises PushRejected or ForgeError with all that stands in the way.
        """
        facts, account = await _both(
            self.forge.repository(base.full_name, self.emit, max_age_s=_JUST_ASKED_S),
            self.forge.account(self.emit),
        )
        fork = self.forks and not facts.push and not facts.private
        faults = list[CodingAgentError](_right_faults(facts, fork=fork, forks=self.forks))
        written = replace(written, author=self.author or account.author)
        found, rules = await _both(
            self._push_faults(run, base, written, tries=not faults, fork=fork),
            self.forge.branch_rules(base.full_name, base.branch, self.emit),
        )
        if faults := [*faults, *found]:
            raise _together(faults)
        notes = [] if account.starts_automation else [_NO_AUTOMATION]
        if fork:
            notes.append(_FROM_FORK)
        if not written.signed and any(rule.kind == "signatures" for rule in rules):
            notes.append(_UNSIGNED.format(base.branch))
        return tuple(notes)

    async def check_pull(self, run: RunFolder, base: Base, written: Written) -> tuple[str, ...]:
        """The same for a commit that is added to the branch of an open pull request."""
        assert base.pull
        pull = base.pull
        facts, account = await _both(
            self.forge.repository(base.full_name, self.emit, max_age_s=_JUST_ASKED_S),
            self.forge.account(self.emit),
        )
        written = replace(written, author=self.author or account.author)
        faults = await self._try_push(run, base, pull.head_branch, head_address(self.forge, pull))
        if pull.fork:
            faults = [_without_edits(pull) if _is_refusal(fault) else fault for fault in faults]
        else:
            rules = await self.forge.branch_rules(base.full_name, pull.head_branch, self.emit)
            kept = tuple(rule for rule in rules if rule.kind not in _OF_NEW_BRANCHES)
            faults += await _rule_faults(kept, base.full_name, written)
            if pull.head_branch == facts.default_branch:
                faults.append(_default_branch(pull))
        if faults:
            raise _together(faults)
        return () if account.starts_automation else (_NO_AUTOMATION,)

    async def _push_faults(
        self, run: RunFolder, base: Base, written: Written, *, tries: bool, fork: bool
    ) -> list[CodingAgentError]:
        """What refuses branch or pull request: the forge where they are tried, names, rules."""
        if fork:
            return await self._outside_faults(base) if tries else []
        branch = written.branch
        address = parse(base.address, self.forge.access.web, allow_local=False)
        in_way = branches_in_way(self.git, address, branch, self.emit, self.forge.retry_policy)
        rules = self.forge.branch_rules(base.full_name, branch, self.emit)
        refused, (taken, kept) = await _both(
            self._try(run, base, branch) if tries else _nothing(), _both(in_way, rules)
        )
        return [
            *refused,
            *_parent_faults(base.full_name, branch, taken),
            *_taken_faults(base.full_name, branch, taken),
            *await _rule_faults(kept, base.full_name, written),
        ]

    async def _try(self, run: RunFolder, base: Base, branch: str) -> list[CodingAgentError]:
        address = parse(base.address, self.forge.access.web, allow_local=False)
        pushing, pulling = await _both(
            self._try_push(run, base, branch, address), self._try_pull(base)
        )
        return [*pushing, *pulling]

    async def _try_pull(self, base: Base, *, fork: bool = False) -> list[CodingAgentError]:
        try:
            await self.forge.try_pull(base.full_name, base.branch, fork=fork)
        except (ForgeForbidden, ForgeUnauthorized, RepositoryError) as refused:
            return [refused]
        return []

    async def _outside_faults(self, base: Base) -> list[CodingAgentError]:
        """What refuses a pull request from a fork."""
        refused, opened = await _both(
            self._try_pull(base, fork=True), find_open(self.forge, base.full_name, self.emit)
        )
        return [*refused, *([still_open(base.full_name, opened)] if opened else [])]

    async def _try_push(
        self, run: RunFolder, base: Base, branch: str, address: RepoAddress
    ) -> list[CodingAgentError]:
        git_dir = str(run.git_of(base))
        try:
            await try_push(
                *(self.git, address, branch_tip(base), branch),
                git_dir=git_dir,
                emit=self.emit,
                forge=self.forge,
            )
        except (ForgeForbidden, ForgeUnauthorized, RepositoryError) as refused:
            return [refused]
        return []


async def _nothing() -> list[CodingAgentError]:
    return []


def _is_refusal(fault: CodingAgentError) -> bool:
    return isinstance(fault, ForgeForbidden | RepositoryNotFound)


def _without_edits(pull: PullGround) -> ForgeForbidden:
    return ForgeForbidden(
        f"The token's account may not push to {pull.head_branch} of {pull.head_repo}.",
        "Ask the author of the pull request to allow edits by maintainers (a box beside it), or"
        f" start a run with `reviewOnly`, which pushes nothing, {_AGAIN}.",
    )


def _default_branch(pull: PullGround) -> PushRejected:
    return PushRejected(
        f"{pull.head_branch} is the default branch of {pull.head_repo}: nothing is added to it.",
        f"Open the pull request from a branch of its own, {_AGAIN}.",
    )


def _together(faults: list[CodingAgentError]) -> CodingAgentError:
    """One error that tells of all, of the kind of the first."""
    messages = " ".join(fault.message for fault in faults)
    hints = " ".join(dict.fromkeys(fault.hint for fault in faults))
    return type(faults[0])(messages, hints)


def check_parents(full_name: str, branch: str, taken: tuple[str, ...]) -> None:
    """Raise PushRejected where one of the taken names is that of a folder of the branch."""
    for fault in _parent_faults(full_name, branch, taken):
        raise fault


def _parent_faults(full_name: str, branch: str, taken: tuple[str, ...]) -> Iterator[PushRejected]:
    for parent in sorted(set(parent_branches(branch)).intersection(taken)):
        yield PushRejected(
            f"{full_name} has a branch {parent}, so that none can be made below it: the run's"
            f" would be {branch}.",
            f"Rename the branch {parent} of the repository, then run again or resume the run.",
        )


def _taken_faults(full_name: str, branch: str, taken: tuple[str, ...]) -> list[BranchExists]:
    exists = any(name == branch or name.startswith(f"{branch}/") for name in taken)
    return [branch_exists(full_name, branch)] if exists else []


def _right_faults(facts: RepositoryFacts, *, fork: bool, forks: bool) -> Iterator[ForgeForbidden]:
    name = facts.full_name
    if facts.pulls == "none":
        yield ForgeForbidden(
            f"{name} takes no pull requests.",
            f"Turn pull requests on in the repository's settings, {_AGAIN}.",
        )
    if fork and (facts.pulls == "collaborators" or not facts.forkable):
        refused = "may not be forked" if not facts.forkable else "takes none from others"
        yield ForgeForbidden(
            f"The token's account may not push to {name}, which {refused}.",
            f"Give the account of GITHUB_TOKEN the right to push there, {_AGAIN}.",
        )
    if facts.push or fork:
        return
    way = "Give the account of GITHUB_TOKEN the right to push there (role Write)"
    if not facts.private and not forks:
        way += ", or set CODING_AGENT_FORK=public so that the pull request comes from a fork"
    yield ForgeForbidden(f"The token's account may not push to {name}.", f"{way}, {_AGAIN}.")


async def _both(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Both results; neither goes on where the other fails."""
    tasks = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


_BROKEN: Final[dict[RuleKind, str]] = {
    "creation": "lets this account make no branch {branch}",
    "checks": "lets a branch be made only of commits that have passed their checks",
    "signatures": "asks for signed commits, and the run's are not signed",
    "branch_name": "wants other names of branches than {branch} ({pattern})",
    "author_email": "wants another author than {author} ({pattern})",
    "message": "wants other commit messages than one that begins with {title} ({pattern})",
}


_STEPS: Final[dict[RuleKind, str]] = {
    "author_email": "Set CODING_AGENT_GIT_AUTHOR to a name and address that it takes",
    "message": "Give the request a `title` (`--title`) that makes such a message",
}
"""How to keep a rule. What keeps no other is to leave the branch out of it."""


_SIGN: Final = "Set CODING_AGENT_SIGNING_KEY_FILE"


async def _rule_faults(
    rules: tuple[BranchRule, ...], full_name: str, written: Written
) -> list[PushRejected]:
    broken = [rule for rule in rules if await _is_broken(rule, written)]
    if not broken:
        return []
    told = dict.fromkeys(_tell(rule, written) for rule in broken)
    others = [rule for rule in broken if rule.kind not in _STEPS]
    unsigned = any(rule.kind == "signatures" for rule in broken)
    names = dict.fromkeys(f" {rule.ruleset[:_SHOWN]}" if rule.ruleset else "" for rule in others)
    steps = list(dict.fromkeys(_STEPS[rule.kind] for rule in broken if rule.kind in _STEPS))
    if others:
        listed = f"{written.branch.partition('/')[0]}/* out of the ruleset{', '.join(names)}"
        instead = f"eave {listed}, or let the token's account bypass it"
        steps.append(f"{_SIGN}, or l{instead}" if unsigned else f"L{instead}")
    hint = f"{'. '.join(steps)}, {_AGAIN}."
    return [PushRejected(f"{full_name} would refuse the push: {'; '.join(told)}.", hint)]


async def _is_broken(rule: BranchRule, written: Written) -> bool:
    if rule.kind == "signatures":
        return not written.signed
    if rule.pattern is None:
        return True
    email = written.author.partition("<")[2].removesuffix(">")
    judged = {"branch_name": written.branch, "author_email": email, "message": written.message}
    return await matches(judged[rule.kind], rule.pattern) is False


def _tell(rule: BranchRule, written: Written) -> str:
    pattern = rule.pattern
    shown = ""
    if pattern:
        shown = f"{'not ' if pattern.negated else ''}{pattern.operator} {pattern.text[:_SHOWN]}"
    name = f"the ruleset {rule.ruleset[:_SHOWN]}" if rule.ruleset else "a rule"
    said = {
        "branch": written.branch,
        "author": written.author,
        "title": repr(written.message.partition("\n")[0]),
    }
    return f"{name} {_BROKEN[rule.kind].format(**said, pattern=shown)}"
