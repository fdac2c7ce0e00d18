"""Where notices go: an address that may hold a secret, and the secret that signs them."""

import base64
import binascii
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, SecretStr

from forge.core import is_loopback
from wiring.setting_types.address import check_address

_PREFIX: Final = "whsec_"
_SHORTEST: Final = 24
"""Bytes, as Standard Webhooks asks for."""


def _text(value: object) -> str:
    return (value.get_secret_value() if isinstance(value, SecretStr) else str(value)).strip()


def _webhook_url(value: object) -> object:
    text = _text(value)
    check_address(text)
    parts = urlsplit(text)
    local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ValueError("takes an https address; http only for a loopback host")
    return SecretStr(text)


def _webhook_secret(value: object) -> object:
    text = _text(value)
    try:
        size = len(base64.b64decode(text.removeprefix(_PREFIX), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size < _SHORTEST:
        raise ValueError(f"takes {_PREFIX} and at least {_SHORTEST} bytes as base64")
    return SecretStr(text)


WebhookUrl = Annotated[SecretStr, BeforeValidator(_webhook_url)]
WebhookSecret = Annotated[SecretStr, BeforeValidator(_webhook_secret)]
