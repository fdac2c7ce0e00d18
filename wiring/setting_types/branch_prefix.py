"""What names of a run's branches begin with."""

from typing import Annotated, Final

from pydantic import BeforeValidator

from graph import DEFAULT_PREFIX, is_branch_name

BRANCH_PREFIX: Final = DEFAULT_PREFIX
_LONGEST: Final = 60


def _check(value: object) -> object:
    text = str(value)
    if len(text) > _LONGEST or text[-1:] not in ("/", "-") or not is_branch_name(f"{text}x"):
        raise ValueError("takes what names of branches begin with, up to '/' or '-'")
    return value


BranchPrefix = Annotated[str, BeforeValidator(_check)]
