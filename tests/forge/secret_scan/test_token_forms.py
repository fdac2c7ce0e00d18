"""The token is found and hidden in every form in which it could slip out."""

import base64
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from forge.secret_scan.token_forms import SecretForms
from tests.standins.github import TOKEN

FORMS = SecretForms(SecretStr(TOKEN))


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_it_is_found_in_base64_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    whole = before + TOKEN.encode() + after
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        assert FORMS.position(encode(whole)) >= 0
    assert FORMS.position(whole) >= 0
    assert FORMS.position(whole.hex().encode()) >= 0
    assert FORMS.position(whole.hex().upper().encode()) >= 0


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-16"])
def test_it_is_found_in_other_encodings(codec: str) -> None:
    assert FORMS.position(f"token = {TOKEN}\n".encode(codec)) >= 0


def test_its_place_is_told() -> None:
    assert FORMS.position(b"0123" + TOKEN.encode()) == 4
    assert FORMS.position(b"nothing") == -1


def test_it_is_found_over_line_breaks() -> None:
    assert FORMS.position(TOKEN[:20].encode() + b"\n  " + TOKEN[20:].encode()) == 0


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


@pytest.mark.parametrize("secret", [None, SecretStr(""), SecretStr("short")])
def test_no_secret_is_found_nowhere(secret: SecretStr | None) -> None:
    forms = SecretForms(secret)
    assert forms.position(b"short" * 100) == -1
    assert forms.hide("short") == "short"
