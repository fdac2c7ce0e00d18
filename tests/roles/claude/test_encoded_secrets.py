"""A secret is found in every form it could be read back from."""

import base64
from urllib.parse import quote

import pytest

from roles.claude.encoded_secrets import holds_secret

SECRET = "sk-ant-api03-a/b+c~d_e=f?>"


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc", b"key = "])
@pytest.mark.parametrize("behind", [b"", b"x", b"xy", b"\n+more"])
@pytest.mark.parametrize(
    "encode", [base64.b64encode, base64.urlsafe_b64encode, bytes, lambda data: data.hex().encode()]
)
def test_found(before: bytes, behind: bytes, encode: object) -> None:
    assert callable(encode)
    assert holds_secret(b"+" + encode(before + SECRET.encode() + behind) + b"\n", SECRET)


def test_found_encoded_for_a_url() -> None:
    assert holds_secret(quote(SECRET, safe="").encode(), SECRET)
    assert holds_secret("".join(f"%{ord(char):02X}" for char in SECRET).encode(), SECRET)


def test_found_in_upper_case_hex() -> None:
    assert holds_secret(SECRET.encode().hex().upper().encode(), SECRET)


@pytest.mark.parametrize("data", [b"", b"sk-ant-", b"nothing here", SECRET[1:].encode()])
def test_not_found(data: bytes) -> None:
    assert not holds_secret(data, SECRET)


def test_of_a_short_one_the_middle_will_not_do() -> None:
    assert not holds_secret(SECRET[6:-6].encode(), SECRET, middle=True)
    assert holds_secret(SECRET.encode(), SECRET, middle=True)


def test_empty_secret_is_nowhere() -> None:
    assert not holds_secret(b"anything", "")
