"""Claude, replayed: answers each request with the script's next turn, where it still fits."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

from demo.script.asking_role import find_role, text_of
from demo.script.scene import Call, Scene, Turn

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
    """Tells a story scene by scene; each role call of the run is the next scene.

    Roles may go on in one conversation: then its scenes follow each other there.
    """

    def __init__(self, story: Sequence[Scene]) -> None:
        self._story = story
        self._begun = 0
        self._scenes: dict[str, list[Scene]] = {}
        """The scenes of each conversation, by a digest of its first message."""

    def turn(self, request: dict[str, Any]) -> Turn:
        """The reply to a request of the Messages API."""
        first, *rest = _turns(request)
        opening = text_of(first)
        digest = hashlib.sha256(opening.encode()).hexdigest()
        scenes = self._scenes.setdefault(digest, [])
        results, done = rest[1::2], len(rest) // 2
        for scene in scenes:
            if done < len(scene.turns):
                break
            done -= len(scene.turns)
        else:
            scene = self._begin(request, text_of(results[-1]) if results else opening)
            scenes.append(scene)
        if done:
            _check_results(scene, done, results[-1])
        return scene.turns[done]

    def _begin(self, request: dict[str, Any], told: str) -> Scene:
        """The next scene, which the role that asks must fit."""
        if self._begun >= len(self._story):
            raise Unfit("The run goes on after the end of the script.")
        scene = self._story[self._begun]
        if (asking := find_role(request)) != scene.role:
            raise Unfit(
                f"It goes on with the {scene.role}, but the {asking or 'nobody'} asks: {_cut(told)}"
            )
        for words in scene.told:
            if words not in told:
                raise Unfit(f"The {scene.role} should be told {_cut(words)!r} and is not.")
        self._begun += 1
        return scene


def _check_results(scene: Scene, number: int, results: list[dict[str, Any]]) -> None:
    """Hold the results of turn `number` against what its calls should show."""
    for call, block in zip(scene.turns[number - 1].calls, results, strict=False):
        result = text_of(block.get("content") or "")
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


def _turns(request: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The blocks of the user and of Claude by turns; neighbours of one role are one turn."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in request["messages"]:
        if not turns or turns[-1][0] != message["role"]:
            turns.append((message["role"], []))
        turns[-1][1].extend(_as_blocks(message["content"]))
    return [blocks for _, blocks in turns]


def _as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _cut(text: str) -> str:
    """One line, short enough for an error's message."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
