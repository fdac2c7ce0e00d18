"""The setting that names variables of the service that set-up of a repository gets."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import SecretStr

from wiring.setting_types.comma_list import from_text, listed

_ENTRY: Final = re.compile(r"([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)=([A-Za-z_][A-Za-z0-9_]*)")
_OURS: Final = ("CODING_AGENT_", "ANTHROPIC_", "GITHUB_", "MODAL_", "LD_")
_STEERING: Final = frozenset(("PATH", "HOME", "BASH_ENV", "ENV", "IFS", "SHELLOPTS", "BASHOPTS"))


@dataclass(frozen=True)
class SetupVariable:
    """A variable for set-up of one repository; `value` is None until it was read."""

    repo: str
    name: str
    value: SecretStr | None = None


def parse_setup_variables(text: str) -> tuple[SetupVariable, ...]:
    """`OWNER/REPO=NAME`, comma-separated; a repository may have several."""
    return tuple(dict.fromkeys(_setup_variable(part) for part in listed(text)))


def names_of_variables(text: str) -> list[str]:
    """The variables that a setting names, whether it is right or not."""
    return [found[2] for part in listed(text) if (found := _ENTRY.fullmatch(part))]


def _setup_variable(text: str) -> SetupVariable:
    found = _ENTRY.fullmatch(text)
    if not found:
        raise ValueError("takes OWNER/REPO=NAME each, NAME a variable of the service")
    repo, name = found[1].lower(), found[2]
    if name.startswith(_OURS) or name in _STEERING:
        raise ValueError(f"{name} is no variable that set-up may be given")
    return SetupVariable(repo, name)


SetupVariables = Annotated[tuple[SetupVariable, ...], from_text(parse_setup_variables)]
