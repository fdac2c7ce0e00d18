"""`env` of `.coding-agent.toml`: plain variables for set-up, checks and roles."""

import re
from collections.abc import Mapping
from typing import Final

_MOST: Final = 50
_MOST_NAMED: Final = 4
_LONGEST_VALUE: Final = 4000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
# What decides which programs and libraries are loaded, where git and shells look, and what is ours.
_REFUSED: Final = re.compile(
    r"(?:LD|DYLD|PYTHON|GIT|BASH|NPM_CONFIG|UV|PIP|SSL|CODING_AGENT|ANTHROPIC|GITHUB|MODAL|DOCKER)_.*"
    r"|PYTHON.*|BASH.*|(?:HTTPS?|ALL|NO|FTP)_PROXY|NODE_(?:OPTIONS|PATH|EXTRA_CA_CERTS)"
    r"|PATH|HOME|USER|LOGNAME|SHELL|SHELLOPTS|TMPDIR|ENV|IFS|PS4|CDPATH|GLOBIGNORE|VIRTUAL_ENV"
    r"|PERL5(?:LIB|OPT)|RUBY(?:LIB|OPT)|JAVA_TOOL_OPTIONS|_",
    re.IGNORECASE,
)


def read_env(value: object) -> tuple[dict[str, str], list[str]]:
    """The variables that can be used, and what is left out of the others, as sentences' ends."""
    if not isinstance(value, dict) or len(value) > _MOST:
        return {}, [f"`env` is left out: it must be a table of at most {_MOST} variables."]
    taken = {name: text for name, text in value.items() if _is_text(name, text)}
    refused = [name for name in taken if _REFUSED.fullmatch(name)]
    notes = []
    if refused:
        notes.append(f"`env` may not set {_listed(refused)}: left out.")
    if wrong := [ascii(name[:40])[1:-1] for name in value if name not in taken]:
        notes.append(
            f"`env` takes names of letters, digits and `_` with strings of at most"
            f" {_LONGEST_VALUE} characters: {_listed(wrong)} left out."
        )
    return {name: text for name, text in taken.items() if name not in refused}, notes


def settable(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that `env` may set."""
    return read_env(dict(variables))[0]


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name[:40]}`" for name in names[:_MOST_NAMED])
    return f"{shown} and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else shown


def _is_text(name: str, value: object) -> bool:
    return (
        bool(_NAME.fullmatch(name))
        and isinstance(value, str)
        and "\0" not in value
        and len(value) <= _LONGEST_VALUE
    )
