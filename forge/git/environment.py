"""What every trusted git command is started with: nothing inherited, nothing left to chance."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr

from forge.core.forge import GitAccess
from graph import find_certificates, find_proxy

OPTIONS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.protectNTFS=true",
    "core.protectHFS=true",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.pager=cat",
    "core.editor=false",
    "core.sshCommand=false",
    "core.askPass=",
    "core.bigFileThreshold=16m",
    "core.logAllRefUpdates=false",
    "credential.helper=",
    "protocol.allow=never",
    "transfer.fsckObjects=true",
    "fetch.fsckObjects=true",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "push.recurseSubmodules=no",
    "diff.ignoreSubmodules=all",
    "status.submoduleSummary=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "push.gpgSign=false",
    "log.showSignature=false",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "fetch.unpackLimit=1",
    "init.templateDir=",
    "advice.detachedHead=false",
)
ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/bin/false",
        "SSH_ASKPASS": "/bin/false",
        "GIT_SSH_COMMAND": "/bin/false",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "/bin/false",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_CEILING_DIRECTORIES": "/",
    }
)
ATTRIBUTES: Final = b"* -text -ident -filter -merge !diff !eol -working-tree-encoding\n"
"""For `info/attributes` of a repository of ours: contents are bytes, whatever it says itself."""


def options(*more: str) -> list[str]:
    """All options, each as `-c NAME=VALUE`."""
    return [word for option in (*OPTIONS, *more) for word in ("-c", option)]


def network(web: str) -> tuple[dict[str, str], str]:
    """Environment and option that allow the scheme of `web`, and no other.

    The way leads by the proxy that the API's client takes, too, and the same certificates are
    trusted.
    """
    scheme = web.partition(":")[0]
    allowed = {"GIT_ALLOW_PROTOCOL": scheme}
    _, certificates = find_certificates()
    if certificates:
        allowed["GIT_SSL_CAINFO"] = certificates
    proxy, no_proxy = find_proxy(scheme)
    if proxy:
        allowed |= {f"{scheme}_proxy": proxy, "no_proxy": no_proxy}
    return allowed, f"protocol.{scheme}.allow=always"


def sign_in(access: GitAccess, token: SecretStr | None) -> dict[str, str]:
    """The token as environment: in no argument, address or file; sent to `web` alone."""
    if token is None:
        return {}
    pair = f"{access.user}:{token.get_secret_value()}".encode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{access.web}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {base64.b64encode(pair).decode()}",
    }


def run_objects(objects: str, index: str = "") -> dict[str, str]:
    """New objects go into the run's own folder, whose alternate is the base."""
    environment = {"GIT_OBJECT_DIRECTORY": objects}
    return environment | ({"GIT_INDEX_FILE": index} if index else {})
