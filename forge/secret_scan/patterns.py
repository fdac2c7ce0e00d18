"""What looks like anyone's secret in what a change adds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_WINDOW: Final = 256 * 1024
_OVERLAP: Final = 1024
_EXAMPLE: Final = b"EXAMPLE"


@dataclass(frozen=True)
class _Kind:
    """One kind of secret. `begins`: what it begins with, each looked for before the pattern is."""

    name: str
    begins: tuple[bytes, ...]
    follows: bytes

    def patterns(self) -> Iterator[tuple[bytes, re.Pattern[bytes]]]:
        for begin in self.begins:
            yield begin, re.compile(re.escape(begin) + self.follows)


_KINDS: Final = (
    _Kind("github token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), rb"[A-Za-z0-9]{36,255}"),
    _Kind("github token", (b"github_pat_",), rb"[A-Za-z0-9_]{22,255}"),
    _Kind("gitlab token", (b"glpat-",), rb"[A-Za-z0-9_-]{20,255}"),
    _Kind("anthropic key", (b"sk-ant-",), rb"[a-z]{3,6}[0-9]{2}-[A-Za-z0-9_-]{24,255}"),
    _Kind("openai key", (b"sk-proj-", b"sk-svcacct-", b"sk-admin-"), rb"[A-Za-z0-9_-]{40,255}"),
    _Kind("aws key", (b"AKIA", b"ASIA"), rb"[A-Z2-7]{16}(?![A-Za-z0-9])"),
    _Kind("google key", (b"AIza",), rb"[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    _Kind("slack token", (b"xox",), rb"[abeoprs]-[A-Za-z0-9-]{20,255}"),
    _Kind(
        "slack hook",
        (b"hooks.slack.com/services/",),
        rb"T[A-Z0-9]{6,20}/B[A-Z0-9]{6,20}/[A-Za-z0-9]{20,64}",
    ),
    _Kind("stripe key", (b"sk_live_", b"rk_live_"), rb"[A-Za-z0-9]{20,255}"),
    _Kind("npm token", (b"npm_",), rb"[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
    _Kind("pypi token", (b"pypi-AgE",), rb"[A-Za-z0-9_-]{50,255}"),
    _Kind("sendgrid key", (b"SG.",), rb"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    _Kind("hugging face token", (b"hf_",), rb"[A-Za-z0-9]{34}(?![A-Za-z0-9])"),
    _Kind("digitalocean token", (b"dop_v1_", b"doo_v1_", b"dor_v1_"), rb"[a-f0-9]{64}"),
    _Kind(
        "private key",
        (b"-----BEGIN ",),
        rb"(?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    ),
)
_PATTERNS: Final = tuple((kind.name, *pair) for kind in _KINDS for pair in kind.patterns())


def find_patterns(new: bytes, old: bytes) -> Iterator[tuple[str, int]]:
    """Kind and line of what looks like a secret in `new` and is not in `old`; each kind once."""
    seen: set[str] = set()
    for kind, begin, pattern in _PATTERNS:
        first = new.find(begin)
        if first < 0 or kind in seen:
            continue
        for found, position in _matches(pattern, new, first):
            if _is_word_start(new, position) and not _is_known(found, old):
                seen.add(kind)
                yield kind, line_at(new, position)
                break


def hide_patterns(text: str) -> str:
    """The text without what looks like a secret."""
    data = text.encode("utf-8", "replace")
    for _, begin, pattern in _PATTERNS:
        if begin in data:
            data = pattern.sub(b"***", data)
    return data.decode()


def line_at(data: bytes, position: int) -> int:
    """The number of the line that holds this position, the first being 1."""
    return data.count(b"\n", 0, position) + 1


def _matches(pattern: re.Pattern[bytes], data: bytes, first: int) -> Iterator[tuple[bytes, int]]:
    """Matches window by window, so that no single search holds the interpreter for long."""
    for start in range(first, len(data), _WINDOW):
        end = start + _WINDOW
        for found in pattern.finditer(data, start, end + _OVERLAP):
            if found.start() < end:
                yield found[0], found.start()


def _is_word_start(data: bytes, position: int) -> bool:
    """Whether the secret does not go on from a longer word."""
    return position == 0 or not data[position - 1 : position].isalnum()


def _is_known(found: bytes, old: bytes) -> bool:
    return found in old or found.endswith(_EXAMPLE)
