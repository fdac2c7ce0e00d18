"""How a command ends: with its exit code, and an error in words instead of a stack trace."""

import asyncio
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer

from api.client.server_error import ServerError
from api.exit_codes import CANCELLED, FAILED, USAGE
from api.terminal.text.option_names import name_options
from api.terminal.text.safe_text import clean
from graph.errors import CodingAgentError, RequestError


def finish(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Do the work and leave with the exit code that it returns."""
    raise typer.Exit(exit_code_of(work))


def exit_code_of(work: Coroutine[Any, Any, int]) -> int:
    """Do the work; its exit code. Leaves with an error in words where it fails."""
    try:
        return asyncio.run(work)
    except (CodingAgentError, ServerError) as error:
        wrong_usage = isinstance(error, RequestError) or getattr(error, "status", None) == 422
        told = name_options(f"{error.message}\n{error.hint}")
        fail(told, code=USAGE if wrong_usage else FAILED)
    except (asyncio.CancelledError, KeyboardInterrupt):
        return CANCELLED
    except BrokenPipeError:  # nobody reads on, as behind `head`: typer leaves without a word
        raise
    except OSError as error:
        fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), code=FAILED)


def fail(text: str, *, code: int) -> NoReturn:
    """Say what is wrong, its first line as the error, and leave."""
    first, *others = [line for line in clean(text).splitlines() if line.strip()] or ["unknown"]
    typer.echo("\n".join([f"Error: {first}", *(f"  {line}" for line in others)]), err=True)
    raise typer.Exit(code)
