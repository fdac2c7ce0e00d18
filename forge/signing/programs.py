"""The programs of OpenSSH and GnuPG, run in a folder of ours with no environment but their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from forge.git.process import EndedProcess, run_process
from graph.calls import to_the_end

GPG_CONFIG: Final = b"batch\nno-tty\nno-greeting\nquiet\npinentry-mode error\n"
"""What `gpg.conf` of the folder says."""
_TIMEOUT_S: Final = 60.0
_OUTPUT_BYTES: Final = 64 * 1024
_ENVIRONMENT: Final = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "SSH_ASKPASS": "/bin/false",
    "SSH_ASKPASS_REQUIRE": "force",
}


async def run_ssh_keygen(*words: str, stdin: bytes = b"") -> EndedProcess:
    """Raises FileNotFoundError where there is no OpenSSH."""
    return await _run(["ssh-keygen", *words], {}, stdin)


async def run_gpg(script: str, folder: Path, data: bytes) -> EndedProcess:
    """A shell script in the folder, which is GnuPG's home; `data` is its standard input.

    It runs under an agent of our own, which is ended here, or by itself where we are not. Raises
    FileNotFoundError where there is no GnuPG.
    """
    home = {"GNUPGHOME": str(folder)}
    agent = ["gpg-agent", "--quiet", "--daemon", "--"]
    started = ["/bin/sh", "-c", f'cd "$1" && {script}', "sh", str(folder)]
    try:
        return await _run([*agent, *started], home, data)
    finally:
        await to_the_end(_run(["gpgconf", "--kill", "all"], home, b""))


async def _run(line: list[str], more: Mapping[str, str], stdin: bytes) -> EndedProcess:
    return await run_process(
        line,
        {**_ENVIRONMENT, **more},
        stdin=stdin,
        timeout_s=_TIMEOUT_S,
        output_bytes=_OUTPUT_BYTES,
    )
