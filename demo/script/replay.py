"""Claude, replayed: answers each request with the script's next turn, where it still fits."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from demo.script.scene import Call, Scene, Turn
from graph import RoleName
from roles import ROLES

_ROLES: Final[dict[str, RoleName]] = {role.spec.system: name for name, role in ROLES.items()}
_EXIT_CODE: Final = re.compile(r"\[exit code \d+\]$")
_SHOWN: Final = 110
_MEND: Final = (
    "The sample or its request was changed. Change demo/script/story.py with it,"
    " or run with --live."
)


class Unfit(Exception):
    """Raised when a request is not the one the script expects; says what differs."""

    def __init__(self, differs: str) -> None:
        super().__init__(f"The replay no longer fits. {differs} {_MEND}")


class Replay:
    """Tells a story scene by scene; each role call of the run is the next scene."""

    def __init__(self, story: Sequence[Scene]) -> None:
        self._story = story
        self._openings: list[str] = []

    def turn(self, request: dict[str, Any]) -> Turn:
        """The reply to a request of the Messages API."""
        first, *rest = [_blocks(message) for message in request["messages"]]
        scene = self._scene(request["system"], _text(first))
        replies, results = rest[0::2], rest[1::2]
        if len(replies) >= len(scene.turns):
            raise Unfit(f"The {scene.role}'s answer was not taken: {_cut(_text(results[-1]))}")
        if results:
            _check_results(scene, len(results), results[-1])
        return scene.turns[len(replies)]

    def _scene(self, system: Any, opening: str) -> Scene:
        """The scene of this role call, known by its first message where it is asked again."""
        digest = hashlib.sha256(opening.encode()).hexdigest()
        if digest not in self._openings:
            self._openings.append(digest)
        number = self._openings.index(digest)
        if number >= len(self._story):
            raise Unfit("The run goes on after the end of the script.")
        scene = self._story[number]
        if (asking := _ROLES.get(system, "")) != scene.role:
            raise Unfit(f"It goes on with the {scene.role}, but the {asking or 'nobody'} asks.")
        for words in scene.told:
            if words not in opening:
                raise Unfit(f"The {scene.role} should be told {_cut(words)!r} and is not.")
        return scene


def _check_results(scene: Scene, number: int, results: list[dict[str, Any]]) -> None:
    """Hold the results of turn `number` against what its calls should show."""
    for call, block in zip(scene.turns[number - 1].calls, results, strict=True):
        result = _content(block)
        if problem := _problem(call, result, is_error=bool(block.get("is_error"))):
            raise Unfit(
                f"In turn {number} of the {scene.role}, {_cut(call.label)} {problem}: "
                f"{_cut(result[-_SHOWN:])}"
            )


def _problem(call: Call, result: str, *, is_error: bool) -> str | None:
    failed = is_error or bool(_EXIT_CODE.search(result))
    if failed != call.fails:
        return "fails" if failed else "should fail and does not"
    missing = [words for words in call.shows if words not in result]
    return f"does not show {missing[0]!r}" if missing else None


def _content(result: dict[str, Any]) -> str:
    return _text(_as_blocks(result.get("content") or ""))


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    return _as_blocks(message["content"])


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _text(blocks: list[dict[str, Any]]) -> str:
    return "\n".join(str(block.get("text", "")) for block in blocks)


def _cut(text: str) -> str:
    """One line, short enough for an error's message."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
