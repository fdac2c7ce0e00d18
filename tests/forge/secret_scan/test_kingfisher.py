"""The catalogue of secrets: what it finds, what it leaves alone, and what its program is given."""

import base64
import hashlib
import json
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge.secret_scan.kingfisher import (
    CatalogueFailed,
    SecretCatalogue,
    Suspicion,
    _without,
    may_hold_secret,
)
from tests.support.linear_time import assert_linear

pytestmark = pytest.mark.slow

A36 = "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2"
TOKEN = f"ghp_{A36}"
LETTERS = "ylOjtoNpUmkVOJmRyEMfAdggcGqpVTzqAMFsHlUe"
RANDOM = (
    "C3J27XDCG2LmlZGEONYlgCtjfIZ4SOcMz9CPVNPkNa1Hedcm4pMbXDuCL1mHoOsFaQfDPrAJ71fTquWoGsbeKXgzg2"
    "sye9b2Rann76dEyTzAeKOmXRrvftva9AW7hipTgadDZFlRJmCGmUXiAPyhzAnar3ZLt4bnlz2MPKgcjnCqaXNv1sye"
)
HEX = "47f2866028de71159b42b4ea410fb9102f29a422eb14ab2f2d0f0cc022238dac"
KEY = "PRIVATE KEY"
SECRETS = {
    "github-pat": TOKEN,
    "github-oauth": f"gho_{A36}",
    "github-app": f"ghs_{A36}",
    "github-refresh": f"ghr_{A36}",
    "github-fine-grained": f"github_pat_{RANDOM[:22]}_{RANDOM[22:81]}",
    "gitlab": f"glpat-{RANDOM[:20]}",
    "claude": f"sk-ant-api03-{RANDOM[:93]}AA",
    "claude-oauth": f"sk-ant-oat01-{RANDOM[:93]}AA",
    "openai": f"sk-proj-{RANDOM[:74]}T3BlbkFJ{RANDOM[80:154]}",
    "openai-service": f"sk-svcacct-{RANDOM[:74]}T3BlbkFJ{RANDOM[80:154]}",
    "openai-admin": f"sk-admin-{RANDOM[:74]}T3BlbkFJ{RANDOM[80:154]}",
    "aws": "AKIA" + "545FBTF6BOH77QAX",
    "aws-session": "ASIA" + "TJMKV47PUZQM3MNY",
    "google": f"AIzaSy{RANDOM[:33]}",
    "slack-bot": f"xoxb-{'395322750142'}-{'1774366875975'}-{RANDOM[:24]}",
    "slack-user": f"xoxp-{'104904954902'}-{'673043201718'}-{'513374207802'}-{HEX[:32]}",
    "slack-hook": f"https://hooks.slack.com/services/T01AB23CD/B04EF56GH78/{RANDOM[:24]}",
    "stripe": f"sk_live_{RANDOM[:24]}",
    "stripe-restricted": f"rk_live_{RANDOM[:24]}",
    "npm": f"npm_{RANDOM[:36]}",
    "pypi": f"pypi-AgEIcHlwaS5vcmc{RANDOM[:160]}",
    "sendgrid": f"SG.{RANDOM[:22]}.{RANDOM[22:65]}",
    "hugging-face": f"hf_{LETTERS[:34]}",
    "digitalocean": f"dop_v1_{HEX}",
    "digitalocean-oauth": f"doo_v1_{HEX}",
    "digitalocean-refresh": f"dor_v1_{HEX}",
    **{
        f"private-key {head}": f"-----BEGIN {head}{KEY}-----\n{RANDOM}\n-----END {head}{KEY}-----"
        for head in ("", "RSA ", "EC ", "DSA ", "ENCRYPTED ", "OPENSSH ")
    },
    "private-key PGP": (
        f"-----BEGIN PGP {KEY} BLOCK-----\n\n{RANDOM}\n-----END PGP {KEY} BLOCK-----"
    ),
}
"""A secret of each kind; nobody was ever given one of them."""


@pytest.fixture(scope="module")
def catalogue(rules_cache: Path) -> SecretCatalogue:
    return SecretCatalogue(rules_cache)


def test_what_is_new_is_found_in_any_clothes(catalogue: SecretCatalogue) -> None:
    encoded = base64.b64encode(f"token: {TOKEN}".encode())
    contents = [
        (f"x = '{TOKEN}'  # gitleaks:allow betterleaks:allow kingfisher:ignore\n".encode(), b""),
        (b"data: " + encoded, b""),
        (f"# moved\n{TOKEN}\n".encode(), TOKEN.encode()),
        (b"nothing", b""),
        (b"", b""),
    ]
    found = catalogue.find(contents)
    assert [len(one) for one in found] == [1, 1, 0, 0, 0]
    assert all(one.sure for row in found for one in row)
    first = found[0][0]
    assert contents[0][0][first.start : first.end].decode() == TOKEN


def test_each_kind_is_found_for_sure(catalogue: SecretCatalogue) -> None:
    contents = [(f"one\nvalue = '{secret}'\n".encode(), b"") for secret in SECRETS.values()]
    found = catalogue.find(contents)
    unsure = [
        kind
        for kind, row in zip(SECRETS, found, strict=True)
        if not any(one.sure and one.start <= 14 < one.end for one in row)
    ]
    assert unsure == []


def test_each_kind_is_taken_out_of_texts(catalogue: SecretCatalogue) -> None:
    texts = [f"Grüße, the key is {secret} here" for secret in SECRETS.values()]
    hidden = catalogue.hide(texts)
    assert set(hidden) == {"Grüße, the key is *** here"}


def test_what_was_there_before_is_not_new(catalogue: SecretCatalogue) -> None:
    contents = [(f"moved\n{secret}".encode(), secret.encode()) for secret in SECRETS.values()]
    assert not any(catalogue.find(contents))


def many_tokens(count: int) -> list[str]:
    """Each is another one."""
    return [
        f"ghp_{base64.b32encode(hashlib.sha256(bytes([n >> 8, n & 255])).digest()).decode()[:36]}"
        for n in range(count)
    ]


@pytest.mark.slow
def test_of_very_many_the_one_that_is_new_is_found(catalogue: SecretCatalogue) -> None:
    tokens = many_tokens(300)
    old, new = "\n".join(tokens[:-1]), "\n".join(reversed(tokens))
    (found,) = catalogue.find([(new.encode(), old.encode())])
    assert [new[one.start : one.end] for one in found] == [tokens[-1]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_very_many_are_not_each_looked_for_in_all_of_the_old_content(
    catalogue: SecretCatalogue,
) -> None:
    def make(size: int) -> tuple[bytes, bytes]:
        return "\n".join(many_tokens(size // 10_000)).encode(), b"ghp " * (size // 4)

    assert_linear(lambda pair: catalogue.find([pair]), make, 30_000_000)


@pytest.mark.slow
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
def test_what_is_none_is_not_found(catalogue: SecretCatalogue, text: str) -> None:
    assert catalogue.find([(text.encode(), b"")]) == [[]]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=8))
def test_findings_that_overlap_take_no_innocent_text(found: list[tuple[int, int]]) -> None:
    text = bytes(range(32, 112))
    taken = {place for start, size in found for place in range(start, start + size)}
    left = _without(
        text, [Suspicion("x", sure=True, start=start, end=start + size) for start, size in found]
    )
    innocent = bytes(byte for place, byte in enumerate(text) if place not in taken)
    assert left.replace(b"***", b"") == innocent


def test_texts_lose_it(catalogue: SecretCatalogue) -> None:
    assert catalogue.hide([f"äö {TOKEN} ü", "", "usual"]) == ["äö *** ü", "", "usual"]
    assert catalogue.hide(["nothing to ask"]) == ["nothing to ask"]


def test_ordinary_code_holds_none(catalogue: SecretCatalogue) -> None:
    root = Path(__file__).parents[3]
    rooms = ("graph", "sandbox", "forge", "roles", "runs", "api", "wiring", "demo")
    files = [path for room in rooms for path in (root / room).rglob("*.*") if path.is_file()]
    files += list(Path(json.__file__).parents[1].glob("*.py"))
    contents = [path.read_bytes() for path in files]
    assert sum(map(len, contents)) > 3_000_000
    found = catalogue.find([(content, b"") for content in contents])
    sure = [
        (path.name, one.rule)
        for path, row in zip(files, found, strict=True)
        for one in row
        if one.sure
    ]
    assert sure == []


@pytest.mark.parametrize(
    ("new", "old", "may"),
    [
        (b"def greet(name):\n    return f'Good morning {name}'\n", b"", False),
        (TOKEN.encode(), b"", True),
        (b"x\n" + TOKEN.encode(), TOKEN.encode(), False),
        (b"hf_" + b"abcdefGHIJ" * 4, b"", True),
        (b"amqp://me:mine@host-1/x", b"", True),
    ],
)
def test_most_changes_need_not_be_searched(new: bytes, old: bytes, may: bool) -> None:
    assert may_hold_secret(new, old) is may


def test_the_program_knows_no_secret_and_tells_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKED", TOKEN)
    seen = tmp_path / "seen"
    program = f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ))); print('[]')"
    told = SecretCatalogue(tmp_path)
    told._command = (sys.executable, "-I", "-c", program, "")
    told.find([(b"x", b"")])
    assert set(eval(seen.read_text())) <= {"PATH", "LC_ALL", "LC_CTYPE"}


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import os; os.abort()", "ended with -6"),
        ("import not_there", "kingfisher-secret-scanner is not installed"),
        ("import sys; sys.exit(sys.stdin.read())", "ended with 1"),
        ("print('[')", "JSONDecodeError"),
        ("print()", "JSONDecodeError"),
        ("pass", "an answer is missing"),
    ],
)
def test_a_program_that_fails_is_no_answer(tmp_path: Path, program: str, reason: str) -> None:
    failing = SecretCatalogue(tmp_path)
    failing._command = (sys.executable, "-I", "-c", program, "")
    with pytest.raises(CatalogueFailed, match=reason) as failed:
        failing.find([(TOKEN.encode(), b"")])
    assert TOKEN not in str(failed.value)


def test_a_program_that_fails_is_asked_again(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    program = (
        f"import os, sys; seen = {str(seen)!r}\n"
        "if not os.path.exists(seen): open(seen, 'w'); os.abort()\n"
        "print('[]')"
    )
    failing = SecretCatalogue(tmp_path)
    failing._command = (sys.executable, "-I", "-c", program, "")
    assert failing.find([(TOKEN.encode(), b"")]) == [[]]


def test_rules_are_compiled_before_they_are_asked(tmp_path: Path) -> None:
    catalogue, hidden = SecretCatalogue(tmp_path), list[str]()
    catalogue.compile()
    asking = threading.Thread(target=lambda: hidden.extend(catalogue.hide([f"my {TOKEN}"])))
    with catalogue._compiling:
        asking.start()
        asking.join(3)
        assert asking.is_alive(), "who asks waits while they are compiled"
    asking.join()
    assert hidden == ["my ***"]
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert kept, "the rules are kept"
    SecretCatalogue(tmp_path).compile()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def test_compiling_ends_when_nobody_will_ask(tmp_path: Path) -> None:
    catalogue = SecretCatalogue(tmp_path)
    compiling = threading.Thread(target=catalogue.compile)
    compiling.start()
    while catalogue._compiler is None:
        time.sleep(0.01)
    catalogue.stop_compiling()
    compiling.join()
    assert catalogue._compiler.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
    catalogue.compile()
    assert list(tmp_path.iterdir()) == [], "it is not begun anew"
