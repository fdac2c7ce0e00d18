"""Completion of the command's words in a shell, by what typer brings for it."""

from typing import Literal

from typer import completion

ShellName = Literal["bash", "zsh", "fish"]


def prepare_completion() -> None:
    """Know the shells that may ask how a line goes on, by variables that typer reads."""
    completion.get_completion_inspect_parameters()


def completion_script(shell: ShellName) -> str:
    """What a shell runs once to complete `coding-agent`."""
    made: str = completion.get_completion_script(  # type: ignore[attr-defined]  # is offered there
        prog_name="coding-agent", complete_var="_CODING_AGENT_COMPLETE", shell=shell
    )
    return made
