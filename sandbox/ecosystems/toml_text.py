"""TOML as strangers write it."""

import re
import tomllib
from typing import Any, Final

_LONG_KEY: Final = re.compile(
    r"""(?<![\w"'-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}"""
)


def load_toml(text: str) -> dict[str, Any]:
    """The table of a file. Raises TOMLDecodeError, RecursionError.

    The library takes quadratic time for a key of many parts, so that none of over 64 is read.
    """
    if _LONG_KEY.search(text):
        raise tomllib.TOMLDecodeError("a key has more than 64 parts")
    return tomllib.loads(text)
