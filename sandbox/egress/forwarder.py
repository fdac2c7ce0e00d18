"""What runs inside set-up's sandbox beside its commands: a port of its loopback, led to the proxy.

Package managers know proxies by host and port alone, and the sandbox has no network but its own
loopback. The script needs Python's standard library and nothing else; it decides nothing.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.egress.allowlist import SetupHost

PORT: Final = 3128
PROXY_FOLDER: Final = "/run/setup"
SCRIPT_FILE: Final = "/etc/setup-forwarder.py"
_BUNDLE: Final = "/etc/ssl/certs/ca-certificates.crt"
# Not REQUESTS_CA_BUNDLE: it would win over `pip --cert`.
_CERTIFICATES: Final = (
    "SSL_CERT_FILE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "CARGO_HTTP_CAINFO",
)

# Maven asks for these only where it is told to.
_JAVA: Final = " ".join(
    (
        *(f"-Dhttp{s}.proxyHost=127.0.0.1 -Dhttp{s}.proxyPort={PORT}" for s in ("", "s")),
        "-Daether.connector.http.useSystemProperties=true",
        "-Daether.transport.apache.useSystemProperties=true",
    )
)
_NO_INDEXES: Final[Mapping[str, str]] = {}

# The parent returns once the port listens; the child serves until the command's end.
SCRIPT: Final = f"""\
import os, socket, sys
listener = socket.create_server(("127.0.0.1", {PORT}), backlog=128)
if os.fork():
    sys.exit()
os.setsid()
for fd in range(3):
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)
import asyncio

async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()

async def serve(reader, writer):
    try:
        far = await asyncio.open_unix_connection("{PROXY_FOLDER}/proxy")
        await asyncio.gather(pump(reader, far[1]), pump(far[0], writer))
        far[1].close()
    except OSError:
        pass
    writer.close()

async def main():
    await (await asyncio.start_server(serve, sock=listener)).serve_forever()

asyncio.run(main())
"""
START: Final = f"""\
command -v python3 >/dev/null ||
  {{ echo "set-up with a network needs python3 in the sandbox" >&2; exit 125; }}
python3 -I -S {SCRIPT_FILE} || exit 125
"""
"""What bash reads before a command of set-up."""


BASH_START: Final = "/etc/setup-start.sh"


@dataclass(frozen=True)
class Outlet:
    """The way out of one set-up: the folder with the proxy's socket, and the variables for it.

    `secrets` are variables that must not be seen outside the sandbox, as in a command line.
    """

    folder: Path
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def exports(self) -> str:
        """The secrets as words of bash."""
        return "".join(f"export {name}={shlex.quote(v)}\n" for name, v in self.secrets.items())

    @property
    def files(self) -> Mapping[str, bytes]:
        """For a sandbox whose first shell reads what `BASH_ENV` names."""
        start = f"unset BASH_ENV\n{START}{self.exports}"
        return {SCRIPT_FILE: SCRIPT.encode(), BASH_START: start.encode()}


def environment(
    hosts: tuple[SetupHost, ...], indexes: Mapping[str, str] = _NO_INDEXES
) -> Mapping[str, str]:
    """How package managers learn of the proxy, the certificates that are trusted, and `indexes`."""
    proxy = f"http://127.0.0.1:{PORT}"
    names = ("HTTPS_PROXY", "HTTP_PROXY", "YARN_HTTPS_PROXY", "YARN_HTTP_PROXY")
    variables = {spelled: proxy for name in names for spelled in (name, name.lower())}
    inside = ["127.0.0.1", "::1", *(["localhost"] if "localhost" not in _names(hosts) else [])]
    variables |= {"NO_PROXY": ",".join(inside), "no_proxy": ",".join(inside)}
    variables["JAVA_TOOL_OPTIONS"] = _JAVA
    if Path(_BUNDLE).exists():
        variables |= dict.fromkeys(_CERTIFICATES, _BUNDLE)
    return variables | {
        "PIP_BREAK_SYSTEM_PACKAGES": "1",  # into the home: the system's own folders are read-only
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "NODE_USE_ENV_PROXY": "1",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        "CI": "true",
        **indexes,
    }


def _names(hosts: tuple[SetupHost, ...]) -> set[str]:
    return {host.name for host in hosts}
