"""A name and an address, as commits have them."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

_MAILBOX: Final = re.compile(r"[^<>\x00-\x1f]*[^<>\x00-\x20] <[^<>@\s]+@[^<>@\s]+>")


def _check(value: object) -> object:
    if not _MAILBOX.fullmatch(str(value)):
        raise ValueError("takes 'Name <email>'")
    return value


Mailbox = Annotated[str, BeforeValidator(_check)]
