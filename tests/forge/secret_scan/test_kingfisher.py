"""The catalogue of secrets: what it finds, what it leaves alone, and what its program is given."""

import base64
import json
import sys
from pathlib import Path

import pytest

from forge.secret_scan.kingfisher import CatalogueFailed, SecretCatalogue, may_hold_secret

A36 = "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA1bC2"
TOKEN = f"ghp_{A36}"


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
    told._command = (sys.executable, "-I", "-c", program)
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
    failing._command = (sys.executable, "-I", "-c", program)
    with pytest.raises(CatalogueFailed, match=reason) as failed:
        failing.find([(TOKEN.encode(), b"")])
    assert TOKEN not in str(failed.value)
