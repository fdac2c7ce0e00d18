"""Text such as PostgreSQL keeps: without NUL and lone surrogates."""

import json
import re
from typing import Any, Final

_UNKEPT: Final = re.compile("[\0\ud800-\udfff]")


def kept_text(text: str) -> str:
    return _UNKEPT.sub("\N{REPLACEMENT CHARACTER}", text)


def dump_json(value: Any) -> str:
    """JSON whose strings are such text."""
    return json.dumps(_kept(value))


def _kept(value: Any) -> Any:
    if isinstance(value, str):
        return kept_text(value)
    if isinstance(value, dict):
        return {kept_text(str(key)): _kept(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(item) for item in value]
    return value
