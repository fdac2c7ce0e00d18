"""Commits with a signature in their header, as git verifies it."""

from collections.abc import Mapping
from typing import Final

from forge.git.command import Git
from forge.signing.signing_key import COMMIT, SigningKey

_SHA1_DIGITS: Final = 40


async def sign_commit(
    git: Git, sha: str, key: SigningKey, *, git_dir: str, environment: Mapping[str, str]
) -> str:
    """Write the commit again with a signature; the new commit's id.

    Raises SigningFailed, GitFailed.
    """
    commit = await git.output("cat-file", "commit", sha, git_dir=git_dir, environment=environment)
    signature = await key.sign(commit, COMMIT)
    header = "gpgsig" if len(sha) == _SHA1_DIGITS else "gpgsig-sha256"
    field = f"{header} {signature.strip()}".replace("\n", "\n ").encode()
    head, blank, message = commit.partition(b"\n\n")
    signed = await git.output(
        *("hash-object", "-t", "commit", "-w", "--stdin"),
        git_dir=git_dir,
        stdin=head + b"\n" + field + blank + message,
        environment=environment,
    )
    return signed.decode().strip()
