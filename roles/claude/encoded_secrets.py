"""The forms in which a secret may lie in other bytes."""

import base64
import re
from typing import Final
from urllib.parse import quote

_BROKEN_OVER_LINES: Final = re.compile(rb"[ \t\r]*\n[+ ]?[ \t]*")


_SHORTEST_MIDDLE: Final = 16


def holds_secret(data: bytes, secret: str, *, middle: bool = False) -> bool:
    """Whether `data` holds the secret: as it is, in base64, in hex, or encoded for a URL.

    A form may be broken over lines, those of a patch too. `middle`: the middle half of a form will
    do, where that is long enough to be no chance.
    """
    forms = _encode(secret)
    if middle:
        forms = set(map(_middle, forms))
    joined = _BROKEN_OVER_LINES.sub(b"", data)
    return any(form in text for text in (data, joined) for form in forms)


def _middle(form: bytes) -> bytes:
    inner = form[len(form) // 4 : -(len(form) // 4) or None]
    return inner if len(inner) >= _SHORTEST_MIDDLE else form


def _encode(secret: str) -> set[bytes]:
    raw = secret.encode()
    if not raw:
        return set()
    percent = "".join(f"%{byte:02x}" for byte in raw)
    forms = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode()}
    forms |= {percent.encode(), percent.upper().encode()}
    for offset in range(3):
        forms |= _encode_base64(raw, offset)
    return forms


def _encode_base64(raw: bytes, offset: int) -> set[bytes]:
    """What base64 makes of the secret after `offset` other bytes, without the characters that
    depend on what stands before and behind it."""
    encoded = base64.b64encode(b"\x00" * offset + raw)
    start = (offset * 8 + 5) // 6
    stop = (offset + len(raw)) * 8 // 6
    inner = encoded[start:stop]
    return {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
