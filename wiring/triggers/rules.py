"""What triggers go by."""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Final, Self

from forge.github import web_address
from wiring.setting_groups.triggers import Autofix
from wiring.settings import Settings

MOST_FIXES: Final = 3
"""Of one pull request, that nobody has asked for, until a person acts."""
MOST_RUNS_A_DAY: Final = 10
"""Of one thread."""


@dataclass(frozen=True)
class TriggerRules:
    """The operator's rules.

    `allowed` is asked with OWNER/NAME and a name of a caller, None for any. `max_cost_usd` is what
    a run may cost, `thread_usd` what a thread may cost a day, all its runs together; 0: no limit.
    """

    label: str
    word: str
    web: str
    allowed: Callable[[str, str | None], bool]
    max_cost_usd: float
    thread_usd: float
    autofix: tuple[Autofix, ...] = ()
    """On what it goes on by itself with pull requests of ours."""
    author_email: str | None = None
    """Lower-case address of the author of our commits, where that is not our account's own."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            label=settings.label,
            word=settings.trigger,
            web=web_address(settings.github_api_url),
            allowed=settings.repo_allowed,
            max_cost_usd=settings.max_cost_usd,
            thread_usd=settings.pr_max_cost_usd_per_day,
            autofix=settings.autofix,
            author_email=parseaddr(settings.git_author or "")[1].lower() or None,
        )
