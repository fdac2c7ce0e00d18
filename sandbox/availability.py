"""Whether what a check calls is there at all, told by exit codes alone."""

import re
import shlex

from sandbox.sandbox import Sandbox

_CANNOT_START = (126, 127)  # what a shell answers for a program that is not there or not one
_FIND_MODULE = (
    "import importlib.util as u, sys; sys.exit(u.find_spec(sys.argv[1].split('.')[0]) is None)"
)


async def could_start(sandbox: Sandbox, command: str, exit_code: int | None) -> bool:
    """Whether a check that failed was started; asks for a module that Python was to run."""
    if exit_code in _CANNOT_START:
        return False
    python = _python_module(command)
    if exit_code is None or python is None:
        return True
    interpreter, module = python
    probe = await sandbox.run(f'{interpreter} -c "{_FIND_MODULE}" {module}', keep_bytes=2)
    return probe.exit_code == 0


def _python_module(command: str) -> tuple[str, str] | None:
    """Interpreter and module of a plain `[NAME=VALUE] python3 -m MODULE …`."""
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
        words.pop(0)
    plain = len(words) >= 3 and words[1] == "-m" and re.fullmatch(r"[\w.]+", words[2])
    if plain and re.fullmatch(r"[\w./-]*python[\d.]*", words[0]):
        return words[0], words[2]
    return None
