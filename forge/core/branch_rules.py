"""Rules of a repository for its branches, as far as a push of ours can break them."""

from dataclasses import dataclass
from typing import Literal

RuleKind = Literal["creation", "checks", "signatures", "branch_name", "author_email", "message"]
Operator = Literal["starts_with", "ends_with", "contains", "regex"]


@dataclass(frozen=True)
class NamePattern:
    """What a text must be like, or must not where `negated`. A `regex` is searched for."""

    operator: Operator
    text: str
    negated: bool = False


@dataclass(frozen=True)
class BranchRule:
    """One rule; `ruleset` is the name of the list that it stands in, if that is known.

    `checks`: a branch may only be made of a commit that has passed them.
    """

    kind: RuleKind
    ruleset: str = ""
    pattern: NamePattern | None = None
