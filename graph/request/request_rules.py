"""What a request may name: by what fits together, and by what the operator lets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from graph.errors import BranchNotAllowed, InvalidRequest, ModelNotAllowed, PriceUnknown
from graph.request.branch_names import DEFAULT_PREFIX, is_branch_name, is_new_branch_name
from graph.request.pull_address import PullAddress
from graph.request.run_request import RunRequest, wire_name
from graph.values import RoleName


@dataclass(frozen=True)
class RequestRules:
    """What a request may name: `allow` is None and `models` empty where it may be anything.

    `branch_prefix` is what branches of runs begin with; `any_branch`: a request may name another.
    `role_models` are the models of the roles where it names none, `has_price` says of which models
    the price is known.
    """

    allow: tuple[str, ...] | None = None
    models: tuple[str, ...] = ()
    branch_prefix: str = DEFAULT_PREFIX
    any_branch: bool = False
    role_models: Mapping[RoleName, str] = field(default_factory=dict)
    has_price: Callable[[str], bool] = bool

    def check(self, request: RunRequest) -> None:
        """Raise InvalidRequest, ModelNotAllowed or BranchNotAllowed where it names another."""
        _check_ground(request)
        model = request.get("model")
        if model and self.models and model not in self.models:
            raise ModelNotAllowed(
                f"model {model!r} is not one that may be used here.",
                f"Use one of {', '.join(self.models)}.",
            )
        refused = set(request.get("allow") or ()) - set(self.allow or ())
        if refused and self.allow is not None:
            raise InvalidRequest(
                f"A request may not allow {', '.join(sorted(map(repr, refused)))} here.",
                "The operator lists in CODING_AGENT_ALLOW what a request may allow.",
                field="allow",
            )
        base = request.get("base_branch")
        if base is not None and not is_branch_name(base):
            raise InvalidRequest(f"{base[:200]!a} is not a name of a branch.", field="baseBranch")
        self._check_branch(request.get("branch") or "")

    def find_unpriced(self, request: RunRequest) -> tuple[str, ...]:
        """The models of a run whose price is not known."""
        model = request.get("model")
        models = [model] if model else self.role_models.values()
        return tuple(dict.fromkeys(name for name in models if not self.has_price(name)))

    def check_prices(self, request: RunRequest, max_tokens: int) -> None:
        """Raise PriceUnknown where neither money nor tokens could be held to a limit."""
        if not max_tokens and (unpriced := self.find_unpriced(request)):
            raise PriceUnknown(f"The price of the model {unpriced[0]!r} is not known.")

    def _check_branch(self, branch: str) -> None:
        if branch and not is_new_branch_name(branch):
            raise InvalidRequest(f"{branch[:200]!a} is not a name of a new branch.", field="branch")
        if branch and not self.any_branch and not branch.startswith(self.branch_prefix):
            raise BranchNotAllowed(f"branch {branch!a} does not begin with {self.branch_prefix}.")


_OF_PULLS: Final = ("review_only", "merge_base")
"""What is asked of a pull request alone, one at a time, and has no plan."""


def _check_ground(request: RunRequest) -> None:
    """Raise InvalidRequest where what is said of a pull request does not fit together."""
    url = request.get("pull_request_url")
    if url is None:
        for name in _OF_PULLS:
            if request.get(name):
                raise InvalidRequest(
                    f"{wire_name(name)} goes with a pull request.",
                    "Name it in pullRequest.",
                    field=wire_name(name),
                )
        return
    named = repo_name(PullAddress.parse(url).repo_url)
    if repo_name(request["repo_url"]) != named:
        raise InvalidRequest(
            f"pullRequest is one of {named}, and repoUrl names {repo_name(request['repo_url'])}.",
            "Leave repoUrl out.",
            field="repoUrl",
        )
    unplanned = [name for name in _OF_PULLS if request.get(name)]
    refused = ("base_branch", "branch", *(("approve_plan",) if unplanned else ()), *unplanned[1:])
    for name in refused:
        if request.get(name):
            raise InvalidRequest(
                f"{wire_name(name)} does not go with what is asked of the pull request.",
                f"Leave {wire_name(name)} out.",
                field=wire_name(name),
            )


def repo_name(repo_url: str) -> str:
    """`owner/repo` in lower case, of an address, such a name, or the end of a local path."""
    parts = [part for part in repo_url.lower().split("/") if part]
    return "/".join(parts[-2:]).removesuffix(".git")
