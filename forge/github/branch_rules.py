"""Rulesets of GitHub, read for one branch."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, get_args
from urllib.parse import quote

from forge.core.branch_rules import BranchRule, NamePattern, Operator, RuleKind
from graph.errors import ForgeForbidden, ForgeRejected, ForgeUnavailable, RepositoryNotFound

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
_BYPASSES: Final = ("always", "exempt")
_OPERATORS: Final[dict[object, Operator]] = {name: name for name in get_args(Operator)}


async def read_branch_rules(get: GetJson, full_name: str, branch: str) -> tuple[BranchRule, ...]:
    """The rules that the token's account does not bypass.

    None where the forge has no rulesets, or does not tell of them: a push meets those.
    """
    repository = f"/repos/{full_name}"
    try:
        told = await get(f"{repository}/rules/branches/{quote(branch, safe='')}?per_page=100")
    except _NOT_TOLD:
        return ()
    listed = [rule for rule in told if _kind(rule)] if isinstance(told, list) else []
    numbers = sorted({number for rule in listed if isinstance(number := _ruleset(rule), int)})
    rulesets = {number: await _read_ruleset(get, repository, number) for number in numbers}
    rules: list[BranchRule] = []
    for rule in listed:
        ruleset = rulesets.get(_ruleset(rule), {})
        if ruleset.get("current_user_can_bypass") not in _BYPASSES:
            rules += _read_rule(rule, str(ruleset.get("name") or ""))
    return tuple(rules)


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
