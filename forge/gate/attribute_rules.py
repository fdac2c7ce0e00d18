"""Contents that are not what the attributes of their path say git keeps there."""

import re
from collections.abc import Iterator
from typing import Final

from forge.gate.attributes import Attributes
from forge.gate.path_rules import Verdict

_POINTER: Final = re.compile(
    rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n"
    rb"(?:[^\n]{1,200}\n){0,20}oid sha256:[0-9a-f]{64}\n(?:[^\n]{1,200}\n){0,20}"
)
_MAX_POINTER: Final = 1024
_NO_UPLOAD: Final = "leave it as the base has it, because a run cannot upload to Git LFS"
_RELIED_ON: Final = re.compile(
    rb"(?m)^[^#\n]*\s(?:-|!)?(?:filter|text|eol|working-tree-encoding)(?:=|\s|$)[^\n]*"
)


def is_pointer(content: bytes) -> bool:
    """Whether it stands for a file of Git LFS."""
    return len(content) < _MAX_POINTER and bool(_POINTER.fullmatch(content))


def judge_stored(
    attributes: Attributes, new: bytes, old: bytes, *, known: bool
) -> Iterator[Verdict]:
    """What would be committed against what git keeps there; `known`: the tree had it before."""
    driver = attributes.get("filter", "")
    if is_pointer(new):
        if not known:
            message = f"points to a file that was not uploaded to Git LFS: {_NO_UPLOAD}"
            yield Verdict("lfs", message)
    elif driver == "lfs" and old and not is_pointer(old):
        message = "is named for Git LFS, and was committed as it is before this change too"
        yield Verdict("attributes", message, "warning")
    elif driver == "lfs" and new:
        message = f"is kept in Git LFS, and would be committed as it is: {_NO_UPLOAD}"
        yield Verdict("lfs", message)
    elif is_pointer(old):
        yield Verdict("lfs", f"takes the place of a file in Git LFS: {_NO_UPLOAD}")
    elif "crypt" in driver:
        message = f"is encrypted by the filter {driver[:60]}, which a run does not have"
        yield Verdict("filter", message)
    elif driver:
        message = f"is kept as the filter {driver[:60]} writes it, which did not run"
        yield Verdict("attributes", message, "warning")
    yield from _judge_text(attributes, new, old)


def _judge_text(attributes: Attributes, new: bytes, old: bytes) -> Iterator[Verdict]:
    if (encoding := attributes.get("working-tree-encoding")) and not _is_utf8(new):
        message = f"is kept as UTF-8 (working-tree-encoding={encoding[:40]}), and is not UTF-8"
        yield Verdict("attributes", message, "warning")
    kept_as_lf = attributes.get("text") in ("set", "auto") or "eol" in attributes
    if kept_as_lf and b"\0" not in new[:8000] and b"\r\n" in new and b"\r\n" not in old:
        message = "is kept with LF by its attributes, and has lines that end with CRLF"
        yield Verdict("attributes", message, "warning")


def judge_lost_attributes(new: bytes, old: bytes) -> Iterator[Verdict]:
    """Lines of `.gitattributes` that others rely on and that are no longer there."""
    kept = set(new.splitlines())
    if any(row not in kept for row in _RELIED_ON.findall(old)):
        message = "changes what git does with files that are there: filters, line ends, encodings"
        yield Verdict("attributes", message, "warning")


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
