"""A secret that is sent in a header."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator, SecretStr

_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")


def _credential(value: object) -> object:
    """Without the line end that a secret read from a file often has."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    if not _SENDABLE.fullmatch(text := text.strip()):
        raise ValueError("takes printable ASCII characters without spaces")
    return SecretStr(text)


Credential = Annotated[SecretStr, BeforeValidator(_credential)]
