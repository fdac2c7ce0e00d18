"""Keys that sign commits, made by the programs that people make them with."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_PATH = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class MadeKey:
    """A private key, and what git needs to verify what it signed."""

    form: Literal["ssh", "gpg"]
    file: Path
    config: tuple[str, ...]
    """Options of git, as `NAME=VALUE`."""
    environment: dict[str, str]

    def verify(self, git_dir: Path, commit: str) -> bool:
        """Whether `git verify-commit` accepts the commit."""
        options = [word for option in self.config for word in ("-c", option)]
        done = subprocess.run(
            ["git", *options, "--git-dir", str(git_dir), "verify-commit", commit],
            cwd="/",
            env={**_PATH, "HOME": "/nonexistent", **self.environment},
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


def make_ssh_key(folder: Path, passphrase: str = "") -> MadeKey:
    folder.mkdir(parents=True, exist_ok=True)
    file, signers = folder / "ssh", folder / "signers"
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "bot", "-f", str(file))
    public = file.with_suffix(".pub").read_text()
    signers.write_text(f"bot@example.org {public}")
    config = ("gpg.format=ssh", f"gpg.ssh.allowedSignersFile={signers}")
    return MadeKey("ssh", file, config, {})


def make_gpg_key(folder: Path, passphrase: str = "") -> MadeKey:
    """A key in a file, and a home of GnuPG that knows its public part."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700, parents=True)
    (home / "gpg.conf").write_text("batch\nquiet\npinentry-mode loopback\n")
    words = ("--passphrase", passphrase)
    environment = {"GNUPGHOME": str(home)}
    who = ("--quick-generate-key", "Bot <bot@example.org>", "ed25519", "sign", "never")
    try:
        _run("gpg", *words, *who, environment=environment)
        made = _run("gpg", *words, "--armor", "--export-secret-keys", environment=environment)
    finally:
        _run("gpgconf", "--kill", "all", environment=environment)
    file = folder / "key.asc"
    file.write_bytes(made)
    return MadeKey("gpg", file, (), environment)


def _run(*line: str, environment: dict[str, str] | None = None) -> bytes:
    env = {**_PATH, "HOME": "/nonexistent", **(environment or {})}
    return subprocess.run(line, env=env, cwd="/", capture_output=True, check=True).stdout
