"""What the package managers of an image use, asked where commands run."""

import shlex
import sys
from typing import Final

from sandbox.core.protocol import Sandbox
from sandbox.egress.manager_questions import PIP, Question
from sandbox.egress.suggest_hosts import PackageSources, ask_here, resolve_sources

_PATIENCE_S: Final = 30.0


async def resolve_in_image(sandbox: Sandbox, names: tuple[str, ...]) -> PackageSources:
    """What set-up reaches; `auto` is asked in a sandbox whose tree is empty.

    Where the image has no pip, uv installs for Python: it comes from this machine, as its index
    then does.
    """

    async def ask(question: Question) -> str:
        words = ["python3" if word == sys.executable else word for word in question.words]
        result = await sandbox.run(shlex.join(words), timeout_s=_PATIENCE_S)
        answer = result.text if result.exit_code == 0 else ""
        return answer or (await ask_here(question) if question == PIP else "")

    return await resolve_sources(names, ask)
