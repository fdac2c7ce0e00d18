"""A setting that names hosts."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

_HOST: Final = re.compile(r"(?=.{1,253}(?::|$))[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[1-9]\d{0,4})?")


def _host_names(value: object) -> object:
    """`NAME` or `NAME:PORT` each, separated by commas; no address."""
    given = value.split(",") if isinstance(value, str) else value
    names = [str(name).strip() for name in given] if isinstance(given, list | tuple) else []
    names = [name for name in names if name]
    for name in names:
        if not _HOST.fullmatch(name) or name.replace(".", "").replace(":", "").isdecimal():
            raise ValueError("takes names of hosts such as packages.example, or NAME:PORT")
    return tuple(names)


HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_host_names)]
