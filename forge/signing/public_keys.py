"""Public keys of OpenSSH and GnuPG, and whether one of them made a signature."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from forge.signing.programs import GPG_CONFIG, run_gpg, run_ssh_keygen
from graph.calls import to_the_end
from graph.errors import SigningFailed
from graph.files import temporary_folder

_LONGEST: Final = 256 * 1024
_SSH: Final = re.compile(
    r"(?m)^(?:\S{1,200}[ \t]+)?((?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]{1,60}[ \t]+[\w+/=]{16,})"
)
_GPG_BEGIN: Final = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_GPG_END: Final = "-----END PGP PUBLIC KEY BLOCK-----"
_OF_SSH: Final = "-----BEGIN SSH SIGNATURE-----"
_OF_GPG: Final = "-----BEGIN PGP SIGNATURE-----"
_SIGNER: Final = "signer"
_GPG_CHECK: Final = "gpg --import keys && exec gpg --verify signature -"


@dataclass(frozen=True)
class PublicKeys:
    """Keys as `ssh-ed25519 AAAA…` and as armored blocks; what else is in a text is passed over."""

    ssh: tuple[str, ...] = ()
    gpg: tuple[str, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Those that stand in the texts."""
        whole = "\n".join(texts)[:_LONGEST]
        begun = (part.partition(_GPG_END) for part in whole.split(_GPG_BEGIN)[1:])
        gpg = tuple(f"{_GPG_BEGIN}{inside}{end}" for inside, end, _ in begun if end)
        return cls(tuple(_SSH.findall(whole)), gpg)

    @classmethod
    async def load(cls, file: Path) -> Self:
        """Those of a file, such as `id_ed25519.pub`. Raises SigningFailed where it has none."""
        try:
            content = await asyncio.to_thread(_read, file)
        except OSError as error:
            raise SigningFailed(
                f"{file} cannot be read: {error.strerror}.", "Name the file of a public key."
            ) from None
        keys = cls.of([content])
        if not keys:
            raise SigningFailed(
                f"{file} holds no public key of SSH or GPG.",
                "Name a file as `ssh-keygen -y` or `gpg --armor --export` writes it.",
            )
        return keys

    def __bool__(self) -> bool:
        return bool(self.ssh or self.gpg)

    async def verify(self, data: bytes, signature: str, purpose: str) -> bool:
        """Whether one of them signed `data`; `purpose` is the namespace of a signature of SSH.

        Raises SigningFailed where the program is missing that could tell.
        """
        is_ssh = signature.lstrip().startswith(_OF_SSH)
        is_gpg = signature.lstrip().startswith(_OF_GPG)
        try:
            async with temporary_folder("verify-") as folder:
                await to_the_end(asyncio.to_thread(self._write, folder, signature))
                return bool(
                    (is_ssh and self.ssh and await _check_by_ssh(folder, data, purpose))
                    or (is_gpg and self.gpg and (await run_gpg(_GPG_CHECK, folder, data)).ok)
                )
        except FileNotFoundError as missing:
            raise SigningFailed(
                f"{missing.filename} was not found: it verifies signatures.",
                "Install openssh-client for a key of SSH, gnupg for one of GPG.",
            ) from None

    def _write(self, folder: Path, signature: str) -> None:
        (folder / "signature").write_text(signature, encoding="utf-8", errors="replace")
        (folder / "signers").write_text("".join(f"{_SIGNER} {key}\n" for key in self.ssh))
        (folder / "keys").write_text("".join(f"{key}\n" for key in self.gpg))
        (folder / "gpg.conf").write_bytes(GPG_CONFIG)


async def _check_by_ssh(folder: Path, data: bytes, purpose: str) -> bool:
    signers, signature = str(folder / "signers"), str(folder / "signature")
    words = ("-q", "-Y", "verify", "-f", signers, "-I", _SIGNER, "-n", purpose, "-s", signature)
    return (await run_ssh_keygen(*words, stdin=data)).ok


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(_LONGEST).decode("utf-8", "replace")
