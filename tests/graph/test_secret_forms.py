"""The token is found and hidden in every form in which it could slip out."""

import base64
import html
import json
import textwrap
import urllib.parse
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from graph.secret_forms import SecretForms
from tests.standins.github import TOKEN
from tests.support.linear_time import assert_linear

FORMS = SecretForms(SecretStr(TOKEN))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_it_is_found_in_base64_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    whole = before + TOKEN.encode() + after
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        assert FORMS.position(encode(whole)) >= 0
    assert FORMS.position(whole) >= 0
    assert FORMS.position(whole.hex().encode()) >= 0
    assert FORMS.position(whole.hex().upper().encode()) >= 0
    percent = "".join(f"%{byte:02X}" for byte in whole)
    assert FORMS.position(percent.encode()) >= 0
    assert FORMS.position(percent.lower().encode()) >= 0


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_it_is_found_in_other_encodings(codec: str) -> None:
    assert FORMS.position(f"token = {TOKEN}\n".encode(codec)) >= 0


OTHER_FORMS: Final[dict[str, Callable[[str], str]]] = {
    "backwards": lambda text: text[::-1],
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32 in small letters": lambda text: base64.b32encode(b"a" + text.encode()).decode().lower(),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "an address in an address": lambda text: quote(quote(text, safe=""), safe=""),
    "numbers of an address in one": lambda text: "".join(
        f"%25{byte:02X}" for byte in text.encode()
    ),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "numbers of JSON": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "HTML": html.escape,
    "numbers of HTML": lambda text: "".join(f"&#x{byte:x};" for byte in text.encode()),
    "escapes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "a list": lambda text: ", ".join(f"0x{byte:02X}" for byte in text.encode()),
    "hex by twos": lambda text: text.encode().hex(" "),
    "hex with colons": lambda text: text.encode().hex(":"),
    "lines": lambda text: "\n".join(textwrap.wrap(text, 10)),
    "escaped lines": lambda text: "\\n".join(textwrap.wrap(text, 10)),
    "lines of base64 in JSON": lambda text: json.dumps(
        base64.encodebytes(text.encode() * 3).decode()
    ),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize(
    "secret", [TOKEN, 'odd"pass\\word<of>&16/chars', "p\u00e4ssword-of-16-l\u00e4tters"]
)
def test_it_is_found_and_hidden_in_other_forms(form: str, secret: str) -> None:
    forms, text = SecretForms(SecretStr(secret)), OTHER_FORMS[form](f"before {secret} after")
    assert forms.found_in(text.encode())
    assert not forms.found_in(forms.hide(text).encode())


def test_its_place_is_told() -> None:
    assert FORMS.position(b"0123" + TOKEN.encode()) == 4
    assert FORMS.position(b"nothing") == -1


def test_it_is_found_over_line_breaks() -> None:
    assert FORMS.position(TOKEN[:20].encode() + b"\n  " + TOKEN[20:].encode()) == 0


def test_it_is_found_in_a_patch_over_line_breaks() -> None:
    encoded = base64.b64encode(b"token: " + TOKEN.encode())
    patch = b"".join(b"+" + encoded[at : at + 16] + b"\n" for at in range(0, len(encoded), 16))
    assert FORMS.position(patch) == 0


@given(st.sampled_from("/+=&?~:@"), st.binary(max_size=9), st.booleans())
def test_it_is_found_in_an_address(odd: str, before: bytes, lower: bool) -> None:
    forms = SecretForms(SecretStr(f"sk-ant-api03{odd}secret{odd}part"))
    quoted = urllib.parse.quote(f"sk-ant-api03{odd}secret{odd}part", safe="")
    text = quoted.replace("%2B", "%2b").replace("%2F", "%2f") if lower else quoted
    assert forms.found_in(before + text.encode())
    assert not forms.found_in(forms.hide(text).encode())


def test_the_middle_of_a_long_form_will_do() -> None:
    middle = TOKEN[len(TOKEN) // 4 : -(len(TOKEN) // 4)]
    assert FORMS.found_in(middle.encode(), middle=True)
    assert not FORMS.found_in(middle.encode())
    short = SecretForms(SecretStr("0123456789abcdefgh"))
    assert short.found_in(b"0123456789abcdefgh", middle=True)
    assert not short.found_in(b"456789abcd", middle=True)


@pytest.mark.parametrize("part", [b"\n+ ", b" ", b"%61"])
def test_the_worst_input_is_searched_in_one_pass(part: bytes) -> None:
    assert_linear(FORMS.found_in, lambda size: part * (size // len(part)), 10_000_000)


def test_it_is_hidden() -> None:
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    odd = SecretStr("a+token/with=odd&characters")
    text = f"fatal: {TOKEN} and Basic {basic} and {TOKEN.encode().hex()}"
    hidden = FORMS.hide(text)
    assert TOKEN not in hidden
    assert FORMS.position(hidden.encode()) == -1
    quoted = urllib.parse.quote(odd.get_secret_value(), safe="")
    assert quoted not in SecretForms(odd).hide(f"x{quoted}x")


@given(st.text(max_size=200))
def test_other_text_stays_as_it_is(text: str) -> None:
    assert FORMS.hide(text) == text


@pytest.mark.parametrize(
    "secret", [None, SecretStr(""), SecretStr("short"), SecretStr("dummy-gateway-1")]
)
def test_no_secret_is_found_nowhere(secret: SecretStr | None) -> None:
    forms = SecretForms(secret)
    assert forms.position(b"short dummy-gateway-1" * 100) == -1
    assert not forms.found_in(b"short dummy-gateway-1" * 100, middle=True)
    assert forms.hide("short dummy-gateway-1") == "short dummy-gateway-1"
