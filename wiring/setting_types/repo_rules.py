"""The setting that names the repositories that may be worked on."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final

from wiring.setting_types.api_keys import KEY_NAME
from wiring.setting_types.comma_list import from_text, listed

_GLOB: Final = re.compile(r"[A-Za-z0-9._*?\[\]!-]+/[A-Za-z0-9._*?\[\]!-]+")


@dataclass(frozen=True)
class RepoRule:
    """Repositories that may be worked on, by every key or by the one named."""

    glob: str
    key_name: str | None = None

    def allows(self, full_name: str, key_name: str | None) -> bool:
        """`key_name` None asks for any key."""
        if self.key_name is not None and key_name not in (None, self.key_name):
            return False
        if self.glob == "*":
            return True
        owner, _, name = full_name.lower().partition("/")
        owner_glob, _, name_glob = self.glob.lower().partition("/")
        return fnmatchcase(owner, owner_glob) and fnmatchcase(name, name_glob)


def parse_repo_rules(text: str) -> tuple[RepoRule, ...]:
    """`OWNER/REPO` globs, comma-separated, each optionally as `name=glob`."""
    return tuple(_repo_rule(part) for part in listed(text))


def _repo_rule(text: str) -> RepoRule:
    name, equals, glob = text.rpartition("=")
    if equals and not KEY_NAME.fullmatch(name):
        raise ValueError("'name=glob' takes the name of a key before '='")
    if glob != "*" and not _GLOB.fullmatch(glob):
        raise ValueError("takes OWNER/REPO globs such as 'octocat/*', or '*'")
    return RepoRule(glob, name if equals else None)


RepoRules = Annotated[tuple[RepoRule, ...], from_text(parse_repo_rules)]
