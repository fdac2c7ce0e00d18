"""Public keys that verify what a signing key has signed, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forge.signing import PublicKeys, SigningKey
from graph.errors import SigningFailed
from tests.support.signing_keys import MadeKey, make_gpg_key, make_ssh_key

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("make", [make_ssh_key, make_gpg_key])
async def test_one_of_several_keys_has_signed(
    make: Callable[[Path], MadeKey], tmp_path: Path
) -> None:
    key, other = SigningKey(make(tmp_path / "a").file), SigningKey(make(tmp_path / "b").file)
    text = await key.public()
    signature = await key.sign(b"data", "purpose")
    keys = PublicKeys.of([await other.public(), f"From a page: {text[:9]}", text])
    assert await keys.verify(b"data", signature, "purpose")
    assert not await keys.verify(b"other data", signature, "purpose")
    assert not await keys.verify(b"data", "", "purpose")
    assert not await keys.verify(b"data", signature[:-80], "purpose")
    assert not await PublicKeys.of([await other.public()]).verify(b"data", signature, "purpose")


async def test_a_signature_of_ssh_serves_one_purpose(tmp_path: Path) -> None:
    key = SigningKey(make_ssh_key(tmp_path).file)
    signature = await key.sign(b"data", "git")
    assert not await PublicKeys.of([await key.public()]).verify(b"data", signature, "receipt")


async def test_a_line_of_allowed_signers_is_a_key_without_its_options(tmp_path: Path) -> None:
    made = make_ssh_key(tmp_path)
    public = made.file.with_suffix(".pub").read_text()
    (known,) = PublicKeys.of([f"bot@example.org {public}"]).ssh
    assert public.startswith(known)
    assert not PublicKeys.of([f'bot cert-authority,namespaces="x" {public}'])


@pytest.mark.parametrize("content", [None, "", "no key\n", "ssh-ed25519 \n"])
async def test_a_file_without_a_key_is_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key.pub"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SigningFailed, match=r"key\.pub"):
        await PublicKeys.load(file)


async def test_a_private_key_is_none(tmp_path: Path) -> None:
    with pytest.raises(SigningFailed, match="no public key"):
        await PublicKeys.load(make_ssh_key(tmp_path).file)
