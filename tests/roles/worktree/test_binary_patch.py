"""Binary parts of a patch are read as git wrote them."""

import base64
import os
import secrets
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from graph import SecretForms
from roles.worktree.binary_patch import iter_binary_parts
from tests.support.trusted_side import git

MARK = b"a secret in the middle"
_OTHER_THAN_MARK = bytes(0 if byte in MARK else byte for byte in range(256))
"""What stands at the edges of an insertion and is the same as its end counts as copied."""


def patch_of(folder: Path, before: bytes, after: bytes) -> bytes:
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "file").write_bytes(before)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    (folder / "file").write_bytes(after)
    return git(folder, "diff", "--binary", "--full-index")


@pytest.mark.parametrize("size", [0, 1, 51, 52, 53, 5000, 1024 * 1024 - 8, 3_000_000])
def test_what_a_binary_file_holds_is_read(tmp_path: Path, size: int) -> None:
    for number, filling in enumerate((bytes(size), os.urandom(min(size, 100_000)))):
        after = b"\0" + filling + MARK + filling
        patch = patch_of(tmp_path / str(number), b"\0", after)
        assert MARK not in patch
        assert any(MARK in piece for piece in iter_binary_parts(patch))


def test_what_a_delta_inserts_is_read(tmp_path: Path) -> None:
    before = b"\0" + os.urandom(20_000).translate(_OTHER_THAN_MARK)
    patch = patch_of(tmp_path / "x", before, before[:9000] + MARK + before[9000:])
    assert b"\ndelta " in patch
    assert any(MARK in piece for piece in iter_binary_parts(patch))


def test_a_secret_whose_edges_a_delta_copies_is_known_by_its_middle(tmp_path: Path) -> None:
    secret = "sk-ant-api03-" + secrets.token_hex(40)
    forms = SecretForms(SecretStr(secret))
    noise = os.urandom(20_000)
    before = b"\0" + noise[:9000] + secret[:13].encode() + b"EXAMPLE" + secret[-2:].encode() + noise
    after = before.replace(secret[:13].encode() + b"EXAMPLE", secret[:-2].encode())
    assert secret.encode() in after
    pieces = list(iter_binary_parts(patch_of(tmp_path / "x", before, after)))
    assert not any(forms.found_in(piece) for piece in pieces)  # the control
    assert any(forms.found_in(piece, middle=True) for piece in pieces)
    assert not any(forms.found_in(piece, middle=True) for piece in (before, b"sk-ant-api03"))


def test_a_bomb_is_read_in_pieces() -> None:
    small = zlib.compress(bytes(100_000_000), 9)
    rows = [small[start : start + 52].ljust(52, b"\0") for start in range(0, len(small), 52)]
    patch = b"literal 100000000\n" + b"".join(b"z" + base64.b85encode(row) + b"\n" for row in rows)
    assert len(patch) < 200_000
    sizes = [len(piece) for piece in iter_binary_parts(patch)]
    assert sum(sizes) >= 100_000_000
    assert max(sizes) < 1_100_000


def test_what_is_no_base_85_ends_it() -> None:
    assert list(iter_binary_parts(b"literal 1\nAnot base 85 at all\n\n")) == []


@given(st.binary(max_size=300))
def test_any_patch_is_read(rows: bytes) -> None:
    list(iter_binary_parts(b"literal 9\n" + rows))
    list(iter_binary_parts(rows))
