"""Completion in a shell: the script that a shell runs, and what it then gets."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.command.command_process import COMMAND, command, environment

_IN_BASH = """
source <(coding-agent completion bash)
complete_words() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    _coding_agent_completion coding-agent
    echo "${COMPREPLY[@]}"
}
complete_words coding-agent ru
complete_words coding-agent runs --sta
complete_words coding-agent runs --status su
complete_words coding-agent completion ""
"""


def install(folder: Path) -> Path:
    """A folder with the command, for a PATH."""
    folder.mkdir()
    launcher = folder / "coding-agent"
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -m coding_agent "$@"\n')
    launcher.chmod(0o755)
    return folder


async def run(*line: str, home: Path, **env: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *line,
        env=environment(home, env),
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert err == b""
    return process.returncode, out.decode()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
async def test_bash_completes_commands_options_and_values(tmp_path: Path) -> None:
    path = f"{install(tmp_path / 'bin')}:/usr/bin:/bin"
    code, out = await run("bash", "--norc", "-c", _IN_BASH, home=tmp_path, PATH=path)
    assert (code, out.splitlines()) == (0, ["run runs", "--status", "succeeded", "bash zsh fish"])


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["zsh", "fish"])
async def test_other_shells_get_what_they_ask_for(shell: str, tmp_path: Path) -> None:
    script = await command("completion", shell, home=tmp_path)
    assert script.code == 0
    assert f"_CODING_AGENT_COMPLETE=complete_{shell}" in script.out
    asked = {
        "_CODING_AGENT_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": "coding-agent mes",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    code, out = await run(*COMMAND, home=tmp_path, **asked)
    assert code == 0
    assert re.search(r"message\W+\w+ a ", out), out  # with its help


async def test_another_shell_is_wrong_usage(tmp_path: Path) -> None:
    ended = await command("completion", "tcsh", home=tmp_path)
    assert ended.code == 2
    assert "'bash', 'zsh', 'fish'" in ended.err
