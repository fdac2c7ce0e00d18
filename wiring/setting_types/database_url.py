"""The address of a PostgreSQL database, with the password in it."""

import re
from typing import Annotated, Final
from urllib.parse import unquote

from pydantic import BeforeValidator, SecretStr

_SCHEMES: Final = ("postgresql", "postgres")
_NAMED: Final = ("password", "sslpassword")
_USER: Final = re.compile(r"[^:@/]*(?::([^@/]*))?@")


def _database_url(value: object) -> object:
    """What the database's client refuses later is told then; no part of it is shown."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if text.strip().partition(":")[0].lower() not in _SCHEMES:
        raise ValueError("takes postgresql://USER:PASSWORD@HOST/DATABASE")
    return SecretStr(text.strip())


DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]


def passwords_of(url: SecretStr) -> tuple[SecretStr, ...]:
    """Each password alone, as a message might show it.

    The address is read as its client does: `#` and `?` may be in a password, `+` is no space.
    """
    _, _, rest = url.get_secret_value().partition("://")
    user = _USER.match(rest)
    place = rest[user.end() :] if user else rest
    named = (each.partition("=") for each in place.partition("?")[2].split("&"))
    found = (user[1] or "" if user else "", *(value for name, _, value in named if name in _NAMED))
    return tuple(SecretStr(unquote(each)) for each in found if each)
