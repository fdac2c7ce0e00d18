"""The forms in which a secret may slip out."""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import quote

from pydantic import SecretStr

SHORTEST_SECRET: Final = 16
"""Characters. A shorter one may stand in ordinary words, and is not searched for."""
_HIDDEN: Final = "***"
_SPACE: Final = b" \t\r\n"
_ESCAPED_SPACE: Final = (b"\\n", b"\\r", b"\\t")
_BETWEEN: Final = b"\\%xu&#;:,'\"" + _SPACE
"""What programs write between bytes that they show as numbers."""


@dataclass(frozen=True)
class _Forms:
    """Forms by how a text is read for them: as it is, in any case, without what is between."""

    exact: frozenset[bytes] = frozenset()
    folded: frozenset[bytes] = frozenset()
    numbers: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, value: str) -> "_Forms":
        return cls(
            frozenset(_exact_forms(value)),
            frozenset(_folded_forms(value)),
            frozenset(_number_forms(value)),
        )

    def __or__(self, other: "_Forms") -> "_Forms":
        return _Forms(
            self.exact | other.exact, self.folded | other.folded, self.numbers | other.numbers
        )

    @cached_property
    def middles(self) -> "_Forms":
        """The middle half of each."""
        sets = (self.exact, self.folded, self.numbers)
        return _Forms(*(frozenset(map(_middle, forms)) for forms in sets))

    def position(self, data: bytes) -> int:
        """Where the first is, 0 where line breaks or marks cut it, else -1."""
        if (place := self._contiguous(data)) >= 0:
            return place
        return 0 if self.is_cut(data) else -1

    def is_cut(self, data: bytes) -> bool:
        """Whether one is there with line breaks in it, or with marks between its numbers."""
        stripped = data.lower().translate(None, _BETWEEN)
        if any(form in stripped for form in self.numbers):
            return True
        return any(self._contiguous(whole) >= 0 for whole in _joined(data))

    def _contiguous(self, data: bytes) -> int:
        folded = data.lower()
        places = [data.find(form) for form in self.exact]
        places += [folded.find(form) for form in self.folded]
        return min((place for place in places if place >= 0), default=-1)


class SecretForms:
    """Finds and hides secrets: as they are, in UTF-16, base64 and base32 at any offset, backwards,
    as numbers of bytes, and as addresses, JSON and HTML hold them.
    """

    def __init__(self, *secrets: SecretStr | None) -> None:
        self._forms = _Forms()
        self._shown: list[str] = []
        """What is replaced where it stands in a text."""
        for secret in filter(None, secrets):
            self.add(secret)

    def add(self, secret: SecretStr) -> None:
        """Find and hide another secret too; whoever searches meanwhile has the earlier ones."""
        value = secret.get_secret_value()
        if len(value) < SHORTEST_SECRET:
            return
        forms = self._forms | _Forms.of(value)
        known = forms.exact | forms.folded | {form.upper() for form in forms.folded}
        shown = {form.decode(codec, "replace") for form in known for codec in ("latin-1", "utf-8")}
        self._forms, self._shown = forms, sorted(shown, key=len, reverse=True)

    def position(self, data: bytes) -> int:
        """Where a secret begins in `data`, -1 where it is not; 0 where something cuts it."""
        return self._forms.position(data) if self._shown else -1

    def found_in(self, data: bytes, *, middle: bool = False) -> bool:
        """Whether `data` holds a secret; `middle`: or the middle half of a form, where that is
        too long for chance."""
        if not self._shown:
            return False
        forms = self._forms.middles if middle else self._forms
        return forms.position(data) >= 0

    def hide(self, text: str) -> str:
        """The text without the secrets; nothing of it where line breaks or marks cut one."""
        for form in self._shown:
            text = text.replace(form, _HIDDEN)
        if self._shown and self._forms.is_cut(text.encode("utf-8", "replace")):
            return _HIDDEN
        return text


def redactor(secrets: Iterable[SecretStr | None]) -> Callable[[str], str]:
    """What takes all these secrets out of a text."""
    return SecretForms(*secrets).hide


def _joined(data: bytes) -> Iterator[bytes]:
    """What was broken over lines in one piece, where breaks are escaped, too; lines of a patch
    begin with a +."""
    plain = data
    for escape in _ESCAPED_SPACE:
        plain = plain.replace(escape, b"\n")
    yield plain.translate(None, _SPACE)
    if b"\n+" in plain:
        yield plain.replace(b"\n+", b"").translate(None, _SPACE)


def _exact_forms(value: str) -> Iterator[bytes]:
    yield from map(str.encode, (*_written_forms(value), *_written_forms(value[::-1])))
    wide = value.encode("utf-16-le")
    yield from (wide, value.encode("utf-16-be"))
    for data in (value.encode(), wide):
        for offset in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                encoded = encode(bytes(offset) + data)
                yield _whole_characters(encoded, offset, len(data), bits=6)


def _written_forms(text: str) -> Iterator[str]:
    """A text as it is, and as addresses, JSON and HTML hold it, also one within another."""
    yield from (text, html.escape(text))
    url = quote(text, safe="")
    for each in (url, quote(url, safe="")):
        yield from (each, re.sub(r"%(?:25)*..", lambda found: found[0].lower(), each))
    for ascii_alone in (True, False):
        escaped = json.dumps(text, ensure_ascii=ascii_alone)[1:-1]
        yield from (escaped, json.dumps(escaped, ensure_ascii=ascii_alone)[1:-1])


def _folded_forms(value: str) -> Iterator[bytes]:
    """Those that are read back in any case."""
    raw = value.encode()
    yield raw.hex().encode()
    yield "".join(f"%{byte:02x}" for byte in raw).encode()
    for offset in range(5):
        encoded = base64.b32encode(bytes(offset) + raw)
        yield _whole_characters(encoded, offset, len(raw), bits=5).lower()


def _number_forms(value: str) -> Iterator[bytes]:
    """Of its bytes one by one, `61`, `0x61`, `%2561`, and of its characters, `u0061`."""
    for before in ("", "0", "25"):
        yield "".join(f"{before}{byte:02x}" for byte in value.encode()).encode()
    yield value.encode("utf-16-be").hex().encode()


def _whole_characters(encoded: bytes, offset: int, length: int, *, bits: int) -> bytes:
    """Those characters of a text of so many bits each that depend on the secret alone."""
    return encoded[-(-offset * 8 // bits) : (offset + length) * 8 // bits]


def _middle(form: bytes) -> bytes:
    inner = form[len(form) // 4 : -(len(form) // 4)]
    return inner if len(inner) >= SHORTEST_SECRET else form
