"""A secret in every form in which it could slip out."""

import base64
from collections.abc import Callable, Iterable
from urllib.parse import quote

from pydantic import SecretStr

_SHORTEST = 8
_HIDDEN = "***"


class SecretForms:
    """Finds and hides one secret: as it is, in base64 at any offset, hex, URL-encoded, UTF-16."""

    def __init__(self, secret: SecretStr | None) -> None:
        value = secret.get_secret_value() if secret else ""
        self._forms = _forms(value) if len(value) >= _SHORTEST else ()
        self._hex = value.encode().hex().encode()

    def position(self, data: bytes) -> int:
        """Where the secret begins in `data`, -1 where it is not; 0 where line breaks cut it."""
        if not self._forms:
            return -1
        for form in self._forms:
            if (found := data.find(form)) >= 0:
                return found
        if (found := data.lower().find(self._hex)) >= 0:
            return found
        joined = data.translate(None, b" \t\r\n")
        return 0 if any(form in joined for form in self._forms) else -1

    def hide(self, text: str) -> str:
        """The text without the secret."""
        for form in self._forms:
            text = text.replace(form.decode("latin-1"), _HIDDEN)
        return text


def hiding(secrets: Iterable[SecretStr | None]) -> Callable[[str], str]:
    """What takes all these secrets out of a text."""
    forms = [SecretForms(secret) for secret in secrets]

    def hide(text: str) -> str:
        for each in forms:
            text = each.hide(text)
        return text

    return hide


def _forms(value: str) -> tuple[bytes, ...]:
    raw = value.encode()
    forms = {raw, quote(value, safe="").encode()}
    forms |= {value.encode("utf-16-le"), value.encode("utf-16-be")}
    forms |= {raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(_whole_characters(encode(bytes(offset) + raw), offset, len(raw)))
    return tuple(sorted(forms, key=len, reverse=True))


def _whole_characters(encoded: bytes, offset: int, length: int) -> bytes:
    """Those characters of the base64 text that depend on the secret alone."""
    return encoded[-(-offset * 8 // 6) : (offset + length) * 8 // 6]
