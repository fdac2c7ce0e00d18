"""The address of a PostgreSQL database, with the password in it."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr

_SCHEMES: Final = ("postgresql", "postgres")


def _database_url(value: object) -> object:
    """What the database's client refuses later is told then; no part of it is shown."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    if urlsplit(text.strip()).scheme not in _SCHEMES:
        raise ValueError("takes postgresql://USER:PASSWORD@HOST/DATABASE")
    return SecretStr(text.strip())


DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database_url)]


def password_of(url: SecretStr) -> SecretStr | None:
    """The password alone, as a message might show it."""
    password = urlsplit(url.get_secret_value()).password
    return SecretStr(password) if password else None
