"""The setting that names who may call."""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import SecretStr

from wiring.setting_types.comma_list import from_text, listed

KEY_LENGTH: Final = 24
KEY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY: Final = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # printable, neither space nor comma


@dataclass(frozen=True)
class ApiKey:
    """A key that callers present, and the name that owns their runs."""

    name: str
    key: SecretStr


def parse_api_keys(text: str) -> tuple[ApiKey, ...]:
    """`name:key` or `key`, comma-separated. A name may have several keys, a key one name."""
    keys = tuple(_api_key(part) for part in listed(text))
    if len({key.key.get_secret_value() for key in keys}) < len(keys):
        raise ValueError("the same key is given twice")
    return keys


def _api_key(text: str) -> ApiKey:
    name, colon, key = text.partition(":")
    if not colon:
        name, key = hashlib.sha256(text.encode()).hexdigest()[:12], text
    if not KEY_NAME.fullmatch(name):
        raise ValueError("a name takes up to 64 letters, digits, '.', '_' and '-'")
    if len(key) < KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(f"a key takes at least {KEY_LENGTH} printable characters")
    return ApiKey(name, SecretStr(key))


ApiKeys = Annotated[tuple[ApiKey, ...], from_text(parse_api_keys)]
