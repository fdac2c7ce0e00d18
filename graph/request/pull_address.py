"""The address of a pull request, as its page has it."""

import re
from dataclasses import dataclass
from typing import Final, Self

from graph.errors import InvalidRequest

_LONGEST: Final = 500
_ADDRESS: Final = re.compile(r"(https?://[^\s?#]+)/pull/([1-9]\d{0,8})(?:/[a-z]*)?/?(?:[?#]\S*)?")
_SHOWN: Final = 200


@dataclass(frozen=True)
class PullAddress:
    """A pull request by its repository's address and its number there."""

    repo_url: str
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `https://HOST/OWNER/REPO/pull/NUMBER`, also of a tab of its page.

        Whether the host is the forge's is for the forge to say. Raises InvalidRequest.
        """
        found = _ADDRESS.fullmatch(text) if len(text) <= _LONGEST else None
        if found is None:
            raise InvalidRequest(
                f"{text[:_SHOWN]!a} is not the address of a pull request.",
                "Give it as its page has it, such as https://github.com/octocat/hello/pull/7.",
                field="pullRequest",
            )
        return cls(found[1], int(found[2]))
