"""A setting that names hosts."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

_LABEL: Final = r"[A-Za-z0-9-]{1,63}"
_HOST: Final = re.compile(
    rf"(?=.{{1,253}}(?::|$)){_LABEL}(?:\.{_LABEL})*(?::(?P<port>[1-9]\d{{0,4}}))?"
)
_LAST_PORT: Final = 65_535


def _host_names(value: object) -> object:
    """`NAME` or `NAME:PORT` each, separated by commas; no address."""
    given = value.split(",") if isinstance(value, str) else value
    names = [str(name).strip() for name in given] if isinstance(given, list | tuple) else []
    names = [name for name in names if name]
    for name in names:
        found = _HOST.fullmatch(name)
        address = name.replace(".", "").replace(":", "").isdecimal()
        if found is None or address or int(found["port"] or 1) > _LAST_PORT:
            raise ValueError("takes names of hosts such as packages.example, or NAME:PORT")
    return tuple(names)


HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_host_names)]
