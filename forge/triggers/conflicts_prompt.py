"""The request that conflicts of a pull request make."""

from typing import Final

from forge.text.sanitize_markdown import code

_LONGEST_BRANCH: Final = 300
_PROMPT: Final = """\
{branch} has moved on, and this pull request conflicts with it. The two were merged. Resolve the \
conflicts so that what either side does stays.

- In a file that conflicts, what the pull request has is between `<<<<<<<` and `=======`, what \
{branch} has is between `=======` and `>>>>>>>`. No such line may stay.
- Where one side has deleted or renamed a file, decide which of the two holds.
- Adapt what the two sides break in each other. Change nothing else.
- `title` of `submit_change` says what was merged, such as "Merge main"."""


def write_conflicts_prompt(branch: str) -> str:
    """`branch` is the one that the pull request goes to."""
    return _PROMPT.format(branch=code(branch, _LONGEST_BRANCH))
