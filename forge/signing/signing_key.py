"""The operator's signing key, of OpenSSH or GnuPG, and the programs that sign with it.

The key is copied into a folder of ours for each signature: the programs want a file that only we
may read. No argument and no environment holds it.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import SecretStr

from forge.git.process import EndedProcess
from forge.signing.programs import GPG_CONFIG, run_gpg, run_ssh_keygen
from graph.calls import to_the_end
from graph.errors import SigningFailed
from graph.files import temporary_folder

Format = Literal["ssh", "gpg"]

SETTING: Final = "CODING_AGENT_SIGNING_KEY_FILE"
COMMIT: Final = "git"
"""The purpose of a commit's signature, as git has it."""
_LONGEST: Final = 64 * 1024
_TOLD: Final = 300
_SSH: Final = re.compile(rb"\s*-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----")
_GPG: Final = b"-----BEGIN PGP PRIVATE KEY BLOCK-----"
_SECRET_PACKETS: Final = (b"\x94", b"\x95", b"\x96", b"\x97", b"\xc5")
"""What an OpenPGP secret key that is no text begins with."""
_GPG_SIGN: Final = "gpg --import key && exec gpg --armor --detach-sign --output -"
_GPG_EXPORT: Final = "gpg --import key && exec gpg --armor --export"


@dataclass(frozen=True)
class SigningKey:
    """The key in `file`, read anew for each signature, or the key's own `text`."""

    file: Path | None = None
    text: SecretStr | None = None

    async def sign(self, data: bytes, purpose: str) -> str:
        """An armored signature of `data`.

        `purpose` is the namespace of an SSH signature, which verifies for no other purpose.
        Raises SigningFailed.
        """
        return (await self._sign(data, purpose))[1]

    async def public(self) -> str:
        """The public part, as its program writes it. Raises SigningFailed."""
        async with self._held() as (form, folder):
            if form == "ssh":
                ended = await run_ssh_keygen("-y", "-P", "", "-f", str(folder / "key"))
            else:
                ended = await run_gpg(_GPG_EXPORT, folder, b"")
        if not ended.ok or not ended.stdout:
            told = _told(ended, folder)
            raise SigningFailed(f"The key of {SETTING} has no public part: {told}")
        return ended.stdout.decode("ascii", "replace")

    async def probe(self) -> Format:
        """The format of the key, which has signed something. Raises SigningFailed."""
        return (await self._sign(b"tried", "coding-agent-trial"))[0]

    async def _sign(self, data: bytes, purpose: str) -> tuple[Format, str]:
        async with self._held() as (form, folder):
            sign = _sign_by_ssh if form == "ssh" else _sign_by_gpg
            ended = await sign(folder, data, purpose)
        if not ended.ok or not ended.stdout:
            raise SigningFailed(f"The key of {SETTING} could not sign: {_told(ended, folder)}")
        return form, ended.stdout.decode("ascii", "replace")

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[tuple[Format, Path]]:
        """The key's format, and a folder of ours that holds it meanwhile."""
        content = await asyncio.to_thread(self._read)
        form = _format_of(content)
        try:
            async with temporary_folder("sign-") as folder:
                await to_the_end(asyncio.to_thread(_write, folder, content))
                yield form, folder
        except FileNotFoundError as missing:
            raise SigningFailed(
                f"{missing.filename} was not found: it signs with the key of {SETTING}.",
                "Install openssh-client for a key of SSH, gnupg for one of GPG.",
            ) from None

    def _read(self) -> bytes:
        if self.text is not None:
            return self.text.get_secret_value().encode()
        try:
            with (self.file or Path()).open("rb") as file:
                return file.read(_LONGEST)
        except OSError as error:
            raise SigningFailed(
                f"The file of {SETTING} cannot be read: {error.strerror}."
            ) from None


def _format_of(content: bytes) -> Format:
    if content.lstrip().startswith(_GPG) or content.startswith(_SECRET_PACKETS):
        return "gpg"
    if _SSH.match(content):
        return "ssh"
    raise SigningFailed(f"The file of {SETTING} holds no private key of SSH or GPG.")


def _write(folder: Path, content: bytes) -> None:
    """The key as its program takes it: OpenSSH wants the end of the last line."""
    key = folder / "key"
    key.touch(mode=0o600)
    key.write_bytes(content if content.endswith(b"\n") else content + b"\n")
    (folder / "gpg.conf").write_bytes(GPG_CONFIG)


async def _sign_by_ssh(folder: Path, data: bytes, purpose: str) -> EndedProcess:
    words = ("-q", "-Y", "sign", "-f", str(folder / "key"), "-n", purpose)
    return await run_ssh_keygen(*words, stdin=data)


async def _sign_by_gpg(folder: Path, data: bytes, _: str) -> EndedProcess:
    return await run_gpg(_GPG_SIGN, folder, data)


def _told(ended: EndedProcess, folder: Path) -> str:
    """The last line that the program said, without our paths."""
    said = ended.stderr.decode("utf-8", "replace").replace(str(folder), "…").split("\n")
    lines = [line.strip() for line in said if line.strip()]
    return ended.over or (lines[-1][:_TOLD] if lines else f"exit code {ended.exit_code}")
