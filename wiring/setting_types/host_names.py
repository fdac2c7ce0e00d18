"""Settings that name hosts."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

from wiring.setting_types.comma_list import listed

_LABEL: Final = r"[A-Za-z0-9-]{1,63}"
_HOST: Final = re.compile(
    rf"(?=.{{1,253}}(?::|$)){_LABEL}(?:\.{_LABEL})*(?::(?P<port>[1-9]\d{{0,4}}))?"
)
_LAST_PORT: Final = 65_535
_SERVED: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[1-9]\d{{0,4}})?")


AUTO: Final = "auto"
"""What the package managers of the machine use, as they themselves say."""


def _host_names(value: object) -> object:
    """`NAME` or `NAME:PORT` each, or `auto`, separated by commas; `none` alone; no address."""
    given = listed(value) if isinstance(value, str) else value
    names = [str(name) for name in given] if isinstance(given, list | tuple) else []
    if names == ["none"]:
        return ()
    for name in names:
        if name == AUTO:
            continue
        if name == "none":
            raise ValueError("takes `none` alone")
        found = _HOST.fullmatch(name)
        address = name.replace(".", "").replace(":", "").isdecimal()
        if found is None or address or int(found["port"] or 1) > _LAST_PORT:
            raise ValueError("takes names of hosts such as packages.example, or NAME:PORT")
    return tuple(names)


HostNames = Annotated[tuple[str, ...], BeforeValidator(_host_names)]


def _served_hosts(value: object) -> object:
    """As the `Host` header has them."""
    names = listed(value) if isinstance(value, str) else value
    for name in names if isinstance(names, list | tuple) else ():
        if not _SERVED.fullmatch(str(name)):
            raise ValueError("takes names of hosts such as agent.example, or NAME:PORT")
    return names


ServedHosts = Annotated[tuple[str, ...], BeforeValidator(_served_hosts)]
