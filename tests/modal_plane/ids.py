"""The names that the control plane gives to what it makes: a prefix by kind, and a number."""

import itertools

_numbers = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}-{next(_numbers)}"
