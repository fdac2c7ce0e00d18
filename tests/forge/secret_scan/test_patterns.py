"""What looks like a secret, found once a kind, only where it is new."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.secret_scan.patterns import find_patterns, hide_patterns

A36 = "0123456789abcdefghijABCDEFGHIJ012345"
SECRETS = {
    "github token": f"ghp_{A36}",
    "gitlab token": "glpat-0123456789abcdefghij",
    "anthropic key": "sk-ant-" + "api03-" + A36,
    "openai key": "sk-proj-" + A36 + "abcdef",
    "aws key": "AKIA" + "ABCDEFGHIJKLMNOP",
    "google key": "AIza" + A36[:35],
    "slack token": "xoxb-" + "123456789012-abcdefABCDEF",
    "slack hook": "https://hooks.slack.com/services/T00000000/B00000000/" + A36[:24],
    "stripe key": "sk_live_" + A36,
    "npm token": "npm_" + A36,
    "pypi token": "pypi-AgE" + A36 * 2,
    "sendgrid key": "SG." + A36[:22] + "." + (A36 * 2)[:43],
    "hugging face token": "hf_" + A36[:34],
    "digitalocean token": "dop_v1_" + "0123456789abcdef" * 4,
    "private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_each_kind_is_found_with_its_line(kind: str) -> None:
    text = f"one\ntwo\nvalue = '{SECRETS[kind]}'\n{SECRETS[kind]}\n".encode()
    assert list(find_patterns(text, b"")) == [(kind, 3)]


@pytest.mark.parametrize("head", ["", "RSA ", "EC ", "DSA ", "ENCRYPTED ", "PGP "])
def test_every_private_key_is_found(head: str) -> None:
    block = " BLOCK" if head == "PGP " else ""
    text = f"-----BEGIN {head}" + f"PRIVATE KEY{block}-----\n"
    assert list(find_patterns(text.encode(), b"")) == [("private key", 1)]


@pytest.mark.parametrize("kind", SECRETS)
def test_what_was_there_before_is_not_new(kind: str) -> None:
    old = SECRETS[kind].encode()
    assert list(find_patterns(b"moved down\n" + old, old)) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_short",
        "the token begins with ghp_ and has 36 characters",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----",
        "xoxb-",
        "MAKIAABCDEFGHIJKLMNOPX",
        "sk-learn-is-a-library-of-python-that-many-people-use-every-day",
        "npm_config_registry",
        "hf_hub_download",
    ],
)
def test_what_is_none_is_not_found(text: str) -> None:
    assert list(find_patterns(text.encode(), b"")) == []


@pytest.mark.parametrize("before", [0, 1024 * 1024 - 20, 1024 * 1024, 3 * 1024 * 1024 - 1])
def test_it_is_found_wherever_it_stands(before: int) -> None:
    text = b"\n" * before + SECRETS["github token"].encode()
    assert list(find_patterns(text, b"")) == [("github token", before + 1)]


@pytest.mark.parametrize("filler", [b"A", b"ghp_", b"-----BEGIN ", b"xoxb-1", b"SG.", b"\0", b"k_"])
def test_hostile_text_is_read_in_little_time(filler: bytes) -> None:
    text = (filler * (4 * 1024 * 1024 // len(filler)))[: 4 * 1024 * 1024]
    started = time.perf_counter()
    list(find_patterns(text, b""))
    assert time.perf_counter() - started < 5


@given(st.binary(max_size=2000), st.binary(max_size=200))
def test_anything_can_be_read(new: bytes, old: bytes) -> None:
    for kind, line in find_patterns(new, old):
        assert kind in SECRETS
        assert line >= 1


@pytest.mark.parametrize("kind", SECRETS)
def test_it_is_taken_out_of_texts(kind: str) -> None:
    text = f"Grüße, the key is {SECRETS[kind]} here"
    hidden = hide_patterns(text)
    assert list(find_patterns(hidden.encode(), b"")) == []
    assert hidden.startswith("Grüße, the key is ")
    assert hidden.endswith(" here")


@given(st.text(max_size=100))
def test_other_texts_stay(text: str) -> None:
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert hide_patterns(text) == text
