"""The forms in which a secret may slip out."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

SHORTEST_SECRET: Final = 16
"""Characters. A shorter one may stand in ordinary words, and is not searched for."""
_SPACE: Final = b" \t\r\n"


class SecretForms:
    """Finds and hides secrets: as they are, in UTF-16, base64 at any offset, hex, URL-encoded."""

    def __init__(self, secret: SecretStr | None) -> None:
        self._exact: set[bytes] = set()
        self._lower: set[bytes] = set()
        """Forms that are read back in any case."""
        self._hidden: list[bytes] = []
        if secret:
            self.add(secret)

    def add(self, secret: SecretStr) -> None:
        """Find and hide another secret too; whoever searches meanwhile has the earlier ones."""
        value = secret.get_secret_value()
        if len(value) < SHORTEST_SECRET:
            return
        self._exact = self._exact | _exact_forms(value)
        self._lower = self._lower | _lower_forms(value)
        upper = {form.upper() for form in self._lower}
        self._hidden = sorted(self._exact | self._lower | upper, key=len, reverse=True)

    def position(self, data: bytes) -> int:
        """Where the secret begins in `data`, -1 where it is not; 0 where line breaks cut it."""
        return _find(data, self._exact, self._lower) if self._exact else -1

    def found_in(self, data: bytes, *, middle: bool = False) -> bool:
        """Whether `data` holds the secret; `middle`: or the middle half of a form, where that is
        too long for chance."""
        if not middle:
            return self.position(data) >= 0
        exact, lower = set(map(_middle, self._exact)), set(map(_middle, self._lower))
        return bool(exact) and _find(data, exact, lower) >= 0

    def hide(self, text: str) -> str:
        """The text without the secret."""
        for form in self._hidden:
            text = text.replace(form.decode("latin-1"), "***")
        return text


def redactor(secrets: Iterable[SecretStr | None]) -> Callable[[str], str]:
    """What takes all these secrets out of a text."""
    forms = [SecretForms(secret) for secret in secrets]

    def hide(text: str) -> str:
        for each in forms:
            text = each.hide(text)
        return text

    return hide


def _find(data: bytes, exact: set[bytes], lower: set[bytes]) -> int:
    for whole in _joined(data):
        folded = whole.lower()
        places = [whole.find(form) for form in exact] + [folded.find(form) for form in lower]
        if found := [place for place in places if place >= 0]:
            return min(found) if whole is data else 0
    return -1


def _joined(data: bytes) -> Iterator[bytes]:
    """The data, and what was broken over lines in one piece; lines of a patch begin with a +."""
    yield data
    yield data.translate(None, _SPACE)
    if b"\n+" in data:
        yield data.replace(b"\n+", b"").translate(None, _SPACE)


def _exact_forms(value: str) -> set[bytes]:
    raw, url = value.encode(), quote(value, safe="").encode()
    forms = {raw, value.encode("utf-16-le"), value.encode("utf-16-be")}
    forms |= {url, re.sub(rb"%..", lambda found: found[0].lower(), url)}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(_whole_characters(encode(bytes(offset) + raw), offset, len(raw)))
    return forms


def _lower_forms(value: str) -> set[bytes]:
    raw = value.encode()
    percent = "".join(f"%{byte:02x}" for byte in raw)
    return {raw.hex().encode(), percent.encode()}


def _whole_characters(encoded: bytes, offset: int, length: int) -> bytes:
    """Those characters of the base64 text that depend on the secret alone."""
    return encoded[-(-offset * 8 // 6) : (offset + length) * 8 // 6]


def _middle(form: bytes) -> bytes:
    inner = form[len(form) // 4 : -(len(form) // 4)]
    return inner if len(inner) >= SHORTEST_SECRET else form
