"""What the stand-in Claude asks for: the work of one role, the same for every candidate."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

from demo.script.asking_role import count_replies, find_role, submit
from demo.script.reply_stream import text, tool_use
from tests.standins.messages_api.scripted_reply import ScriptedReply

TURNS: Final = 30
PROMPT: Final = "Make the greeting configurable."
_MODULES: Final = 12
_TEST: Final = "python3 -m unittest -q"
_LOOKS: Final = ("ls -la greet", "cat greet/module_{n}.py", "grep -rn 'def ' greet | head -20")
_ENDS_BY_COMMAND: Final = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""By which mini-swe-agent's model ends its work."""
_GLANCES: Final = ("git status --short", "sed -n 1,5p greet/module_{n}.py", "wc -l greet/*.py")


def commands(turns: int) -> list[str]:
    """All turns but the last run a command: a third looks around, then edits and short looks."""
    made = []
    for turn in range(turns - 1):
        n = turn % _MODULES
        if turn == turns // 2:
            made.append(_TEST)
        elif turn < turns // 3:
            made.append(_LOOKS[turn % len(_LOOKS)].format(n=n))
        elif turn % 3 == 0:
            made.append(f"sed -i 's/hello/hello {turn}/' greet/module_{n}.py")
        else:
            made.append(_GLANCES[turn % len(_GLANCES)].format(n=n))
    return made


def make_repository(folder: Path) -> None:
    """A small git repository: a package of some modules, and tests that pass."""
    (folder / "greet").mkdir(parents=True)
    (folder / "greet/__init__.py").write_text("")
    for n in range(_MODULES):
        body = "\n".join(
            f"def greet_{n}_{i}(name):\n    return 'hello ' + name\n" for i in range(8)
        )
        (folder / f"greet/module_{n}.py").write_text(body)
    (folder / "test_greet.py").write_text(
        "import unittest\nfrom greet import module_0\n\n\nclass Greet(unittest.TestCase):\n"
        "    def test_it_greets(self):\n        self.assertIn('x', module_0.greet_0_0('x'))\n"
    )
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "Begin")):
        author = ("-c", "user.name=bench", "-c", "user.email=bench@example.invalid")
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True)


def role_of(request: dict[str, Any]) -> str:
    """Which role asks; a loop without roles counts as a coder."""
    return find_role(request) or "coder"


def reply(request: dict[str, Any], turns: int) -> ScriptedReply:
    """The reply to a request, known from the number of replies in its history."""
    role = role_of(request)
    if role == "planner":
        return _answer(
            summary="Pass the greeting in.",
            route="short",
            steps=["Edit the modules"],
            files=["greet/module_0.py"],
            validate=[],
        )
    if role == "reviewer":
        return _answer(verdict="approve", summary="As asked.", findings=[])
    done = count_replies(request)
    asked = commands(turns)
    names = {tool["name"] for tool in request.get("tools", ())}
    shell = "execute" if "execute" in names else "bash"
    if done < len(asked):
        call = tool_use(shell, {"command": asked[done]}, f"toolu_{done:06d}")
        return ScriptedReply((text(f"Step {done + 1}."), call))
    if _ENDS_BY_COMMAND in json.dumps(request["messages"][0]):
        call = tool_use(shell, {"command": f"echo {_ENDS_BY_COMMAND}"}, f"toolu_{done:06d}")
        return ScriptedReply((text("It is passed in."), call))
    if find_role(request) is None:
        return ScriptedReply((text("It is passed in."),))
    return _answer(title="Make the greeting configurable", summary="It is passed in.")


def _answer(**fields: Any) -> ScriptedReply:
    return ScriptedReply((submit(**fields),))
