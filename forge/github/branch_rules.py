"""Rulesets of GitHub, read for one branch."""

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args
from urllib.parse import quote

from forge.core.branch_rules import BranchRule, NamePattern, Operator, RuleKind
from forge.github.connection import Connection
from graph import Emit, unheard
from graph.errors import ForgeForbidden, ForgeRejected, ForgeUnavailable, RepositoryNotFound

if TYPE_CHECKING:
    from forge.github.connection import Api

T = TypeVar("T")
GetJson = Callable[[str], Awaitable[Any]]
"""Reads what lies at a path of the API. Raises ForgeError, RepositoryError."""

_KINDS: Final[dict[str, RuleKind]] = {
    "creation": "creation",
    "required_status_checks": "checks",
    "workflows": "checks",
    "required_signatures": "signatures",
    "branch_name_pattern": "branch_name",
    "commit_author_email_pattern": "author_email",
    "committer_email_pattern": "author_email",
    "commit_message_pattern": "message",
}
_NOT_TOLD: Final = (ForgeForbidden, ForgeRejected, ForgeUnavailable, RepositoryNotFound)
_RECENT_S: Final = 3600.0
_MOST_KEPT: Final = 100
_BYPASSES: Final = ("always", "exempt")
_OPERATORS: Final[dict[object, Operator]] = {name: name for name in get_args(Operator)}


class GitHubRules(Connection):
    """Reads rules over the same connection."""

    @cached_property
    def _told(self) -> dict[tuple[str, str], tuple[float, list[Any]]]:
        """When the rules of a branch were asked for last, and what they were."""
        return {}

    @cached_property
    def _protected(self) -> dict[tuple[str, str], tuple[float, frozenset[str]]]:
        """The same of the names that a branch's protection requires."""
        return {}

    async def branch_rules(
        self, full_name: str, branch: str, emit: Emit = unheard
    ) -> tuple[BranchRule, ...]:
        get = partial(self._get, full_name, emit)
        told = await self._list(get, full_name, branch)
        return await _read_rules(get, f"/repos/{full_name}", told)

    async def required_checks(self, full_name: str, branch: str) -> frozenset[str]:
        get = partial(self._get, full_name, unheard)
        told_at, told = self._told.get((full_name, branch), (-inf, []))
        if time.monotonic() - told_at > _RECENT_S:
            told = await self._list(get, full_name, branch)
        protected = await self._read_protection(get, full_name, branch)
        return frozenset({*_required_by_rules(told), *protected})

    async def _read_protection(self, get: GetJson, full_name: str, branch: str) -> frozenset[str]:
        told_at, names = self._protected.get((full_name, branch), (-inf, frozenset[str]()))
        if time.monotonic() - told_at <= _RECENT_S:
            return names
        try:
            found = await get(f"/repos/{full_name}/branches/{quote(branch, safe='')}")
        except _NOT_TOLD:
            return frozenset()
        names = frozenset(_required_by_protection(found))
        _remember(self._protected, (full_name, branch), names)
        return names

    async def _list(self, get: GetJson, full_name: str, branch: str) -> list[Any]:
        """None where the forge has no rulesets, or does not tell of them: a push meets those."""
        path = f"/repos/{full_name}/rules/branches/{quote(branch, safe='')}?per_page=100"
        try:
            told = await get(path)
        except _NOT_TOLD:
            told = []
        listed = told if isinstance(told, list) else []
        _remember(self._told, (full_name, branch), listed)
        return listed

    async def _get(self, full_name: str, emit: Emit, path: str) -> Any:
        def read(github: "Api") -> Any:
            return github.requester.requestJsonAndCheck("GET", path)[1]

        return await self._read(f"the rules of {full_name}", read, emit, repo=full_name)


def _remember(
    kept: dict[tuple[str, str], tuple[float, T]], branch: tuple[str, str], told: T
) -> None:
    while len(kept) > _MOST_KEPT:
        kept.pop(next(iter(kept)), None)
    kept[branch] = time.monotonic(), told


async def _read_rules(get: GetJson, repository: str, told: list[Any]) -> tuple[BranchRule, ...]:
    """The rules that the token's account does not bypass."""
    listed = [rule for rule in told if _kind(rule)]
    numbers = sorted({number for rule in listed if isinstance(number := _ruleset(rule), int)})
    rulesets = {number: await _read_ruleset(get, repository, number) for number in numbers}
    rules: list[BranchRule] = []
    for rule in listed:
        ruleset = rulesets.get(_ruleset(rule), {})
        if ruleset.get("current_user_can_bypass") not in _BYPASSES:
            rules += _read_rule(rule, str(ruleset.get("name") or ""))
    return tuple(rules)


def _required_by_rules(told: list[Any]) -> Iterator[str]:
    for rule in told:
        if isinstance(rule, dict) and rule.get("type") == "required_status_checks":
            yield from _contexts(_parameters(rule).get("required_status_checks"))


def _required_by_protection(branch: Any) -> Iterator[str]:
    protection = branch.get("protection") if isinstance(branch, dict) else None
    required = protection.get("required_status_checks") if isinstance(protection, dict) else None
    if isinstance(required, dict):
        yield from _contexts(required.get("checks"))
        yield from _contexts(required.get("contexts"))


def _contexts(listed: Any) -> Iterator[str]:
    """Names in a list of names, or of objects that have one each."""
    for row in listed if isinstance(listed, list) else []:
        name = row.get("context") if isinstance(row, dict) else row
        if isinstance(name, str):
            yield name


async def _read_ruleset(get: GetJson, repository: str, number: int) -> Mapping[str, Any]:
    """The list that rules stand in; empty where the account may not see it."""
    try:
        told = await get(f"{repository}/rulesets/{number}?includes_parents=true")
    except _NOT_TOLD:
        return {}
    return told if isinstance(told, dict) else {}


def _kind(rule: Any) -> RuleKind | None:
    kind = _KINDS.get(str(rule.get("type"))) if isinstance(rule, dict) else None
    on_creation = kind != "checks" or not _parameters(rule).get("do_not_enforce_on_create")
    return kind if on_creation else None


def _ruleset(rule: Mapping[str, Any]) -> Any:
    return rule.get("ruleset_id")


def _parameters(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    told = rule.get("parameters")
    return told if isinstance(told, dict) else {}


def _read_rule(rule: Mapping[str, Any], ruleset: str) -> Iterator[BranchRule]:
    kind, parameters = _kind(rule), _parameters(rule)
    if kind in ("branch_name", "author_email", "message"):
        operator, text = _OPERATORS.get(parameters.get("operator")), parameters.get("pattern")
        if operator and isinstance(text, str):
            pattern = NamePattern(operator, text, bool(parameters.get("negate")))
            yield BranchRule(kind, ruleset, pattern)
    elif kind:
        yield BranchRule(kind, ruleset)
