"""Secrets in what a change adds: the forge's own token, and what looks like anyone's."""

import re
from collections.abc import Iterator
from typing import Final

_WINDOW: Final = 1024 * 1024
_OVERLAP: Final = 1024
_EXAMPLE: Final = b"EXAMPLE"

_KINDS: Final = {
    "github_token": rb"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}",
    "gitlab_token": rb"glpat-[A-Za-z0-9_-]{20,255}",
    "anthropic_key": rb"sk-ant-[a-z]{3,6}[0-9]{2}-[A-Za-z0-9_-]{24,255}",
    "openai_key": rb"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,255}",
    "aws_key": rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])",
    "google_key": rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])",
    "slack_token": rb"xox[abeoprs]-[A-Za-z0-9-]{20,255}",
    "slack_hook": rb"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{20,}",
    "stripe_key": rb"[rs]k_live_[A-Za-z0-9]{20,255}",
    "npm_token": rb"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
    "pypi_token": rb"pypi-AgE[A-Za-z0-9_-]{50,255}",
    "sendgrid_key": rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}",
    "hugging_face_token": rb"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{34}(?![A-Za-z0-9])",
    "digitalocean_token": rb"do[opr]_v1_[a-f0-9]{64}",
    "private_key": rb"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
}
_ANY: Final = re.compile(
    b"|".join(b"(?P<%s>%s)" % (name.encode(), pattern) for name, pattern in _KINDS.items())
)


def find_patterns(new: bytes, old: bytes) -> Iterator[tuple[str, int]]:
    """Kind and line of what looks like a secret in `new` and is not in `old`; each kind once."""
    seen: set[str] = set()
    for found, position in _matches(new):
        kind = found.lastgroup or ""
        if kind in seen or found[0] in old or found[0].endswith(_EXAMPLE):
            continue
        seen.add(kind)
        yield kind.replace("_", " "), line_at(new, position)


def line_at(data: bytes, position: int) -> int:
    """The number of the line that holds this position, the first being 1."""
    return data.count(b"\n", 0, position) + 1


def _matches(data: bytes) -> Iterator[tuple[re.Match[bytes], int]]:
    """Matches window by window, so that no single search holds the interpreter for long."""
    for start in range(0, len(data), _WINDOW):
        for found in _ANY.finditer(data[start : start + _WINDOW + _OVERLAP]):
            if found.start() < _WINDOW:
                yield found, start + found.start()
