"""Who a commit says has made it."""

import re
from typing import Final

NOBODY: Final = "coding-agent <coding-agent@invalid>"
_AUTHOR: Final = re.compile(r"([^<>\x00-\x1f]*[^<>\x00-\x20]) <([^<>\x00-\x20]+)>")


def identity(author: str) -> dict[str, str]:
    """`Name <email>` as git takes it, for author and committer."""
    found = _AUTHOR.fullmatch(author)
    name, email = found.groups() if found else ("coding-agent", "coding-agent@invalid")
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    }
