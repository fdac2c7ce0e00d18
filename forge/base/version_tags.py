"""The version that a commit would be released as, reckoned from the tags of its repository.

A base has one commit and no tags; builds that ask git for a version would find none.
"""

import re
from collections.abc import Mapping
from typing import Final

_MOST_DIGITS: Final = 9
_VERSION: Final = re.compile(
    r"(?P<name>(?:[A-Za-z][\w.-]*?[-_/@])?)[vV]?(?P<numbers>\d+(?:\.\d+){1,3})"
)


def version_of(tags: Mapping[str, str], sha: str) -> str:
    """The version of a commit by tags (name to commit): a tag's own, else the next after them all.

    `3.2.0` tagged on it is `3.2.0`; otherwise, with `3.2.0` the newest, `3.2.1.dev1`. Empty where
    no tag is a version. Tags with a name before the number, as of several packages, come last.
    """
    found = [
        (not match["name"], tuple(map(int, match["numbers"].split("."))), commit)
        for name, commit in tags.items()
        if len(name) < 100 and (match := _VERSION.fullmatch(name)) and _is_short(match["numbers"])
    ]
    if not found:
        return ""
    here = [numbers for _, numbers, commit in found if commit == sha]
    if here:
        return _text(max(here))
    *first, last = max((plain, numbers) for plain, numbers, _ in found)[1]
    return f"{_text((*first, last + 1))}.dev1"


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _is_short(numbers: str) -> bool:
    return all(len(part) <= _MOST_DIGITS for part in numbers.split("."))


def tags_of(refs: Mapping[str, str]) -> dict[str, str]:
    """Tags by name, of refs as git lists them; what an annotated tag names comes before the tag."""
    found: dict[str, str] = {}
    for ref, commit in refs.items():
        name = ref.removeprefix("refs/tags/")
        if name != ref and (name.endswith("^{}") or name not in found):
            found[name.removesuffix("^{}")] = commit
    return found
