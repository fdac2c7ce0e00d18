"""The prompt cache of the stand-in Messages API: what a request reads, writes and pays in full.

A token is four bytes of compact JSON. Entries are written at breakpoints only, found by an exact
prefix of tools, system and messages, at most twenty positions back, and live five minutes from
their last use.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graph import Usage

_LOOK_BACK = 20
_LIFETIME_S = 300.0
_MINIMUM_TOKENS = 512
_PREFIX_SETTINGS = ("thinking", "tool_choice", "output_config")


@dataclass(frozen=True)
class _Position:
    """The end of one block: the hash of all before it and in it, and their size."""

    digest: bytes
    size: int
    marked: bool
    run: str
    """Kind of block where neighbours of that kind count as one position, else empty."""


class PromptCache:
    """Entries by the hash of a prefix; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used: dict[bytes, float] = {}

    def bill(self, request: dict[str, Any]) -> Usage:
        """The input side of the request's usage; what it marks is in the cache afterwards."""
        positions = list(_positions(request))
        marks = [index for index, position in enumerate(positions) if position.marked]
        total = _tokens(positions[-1].size)
        if not marks:
            return Usage(input_tokens=total)
        now = self._clock()
        read = max((self._hit(positions, mark, now) for mark in marks), default=0)
        written = read
        for mark in marks:
            size = _tokens(positions[mark].size)
            if size >= _MINIMUM_TOKENS:
                self._used[positions[mark].digest] = now
                written = max(written, size)
        return Usage(
            input_tokens=total - written,
            cache_creation_input_tokens=written - read,
            cache_read_input_tokens=read,
        )

    def _hit(self, positions: list[_Position], mark: int, now: float) -> int:
        """Tokens of the longest living entry at or shortly before a breakpoint."""
        steps = 0
        for index in range(mark, -1, -1):
            position = positions[index]
            used = self._used.get(position.digest)
            if used is not None and now - used <= _LIFETIME_S:
                self._used[position.digest] = now
                return _tokens(position.size)
            follows = positions[index + 1].run if index + 1 <= mark else ""
            steps += not (position.run and position.run == follows)
            if steps > _LOOK_BACK:
                break
        return 0


def _tokens(size: int) -> int:
    return size // 4


def _positions(request: dict[str, Any]) -> Iterator[_Position]:
    hasher = hashlib.sha256(str(request["model"]).encode())
    size, blocks = 0, list(_blocks(request))
    for index, (level, block) in enumerate(blocks):
        marked = bool(block.get("cache_control"))
        marked |= bool(request.get("cache_control")) and index == len(blocks) - 1
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        if isinstance(plain.get("content"), str):  # short for one block of text, and read as that
            plain["content"] = _as_blocks(plain["content"])
        data = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
        hasher.update(level.encode() + b"\x00" + data + b"\x00")
        size += len(data)
        kind = str(block.get("type", ""))
        run = kind if kind in {"tool_use", "tool_result"} else ""
        yield _Position(hasher.digest(), size, marked, run)


def _blocks(request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All blocks in the order of the cache, each with the level it belongs to."""
    for tool in request.get("tools") or ():
        yield "tools", tool
    for block in _as_blocks(request.get("system") or ()):
        yield "system", block
    settings = {name: request[name] for name in _PREFIX_SETTINGS if name in request}
    key = json.dumps(settings, sort_keys=True)
    for message in request["messages"]:
        for block in _as_blocks(message["content"]):
            yield f"{key}{message['role']}", block


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
