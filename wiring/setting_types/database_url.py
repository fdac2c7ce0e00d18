"""The address of a PostgreSQL database, with the password in it."""

from typing import Annotated, Final
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BeforeValidator, SecretStr

_SCHEMES: Final = ("postgresql", "postgres")
_NAMED: Final = ("password", "sslpassword")


def _database_url(value: object) -> object:
    """What the database's client refuses later is told then; no part of it is shown."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if urlsplit(text.strip()).scheme not in _SCHEMES:
        raise ValueError("takes postgresql://USER:PASSWORD@HOST/DATABASE")
    return SecretStr(text.strip())


DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]


def passwords_of(url: SecretStr) -> tuple[SecretStr, ...]:
    """Each password alone, as a message might show it."""
    parts = urlsplit(url.get_secret_value())
    named = parse_qs(parts.query)
    found = [
        unquote(parts.password or ""),
        *(each for name in _NAMED for each in named.get(name, ())),
    ]
    return tuple(SecretStr(each) for each in found if each)
