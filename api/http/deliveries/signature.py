"""Signatures of deliveries, as GitHub makes them."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})")


def is_signed(body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether a header signs these very bytes with one of the secrets; all are tried, always."""
    told = _SIGNATURE.fullmatch(signature)
    presented = told[1] if told else ""
    right = False
    for secret in secrets:
        made = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        right = hmac.compare_digest(made, presented) or right
    return right
