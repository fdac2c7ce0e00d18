"""The log of a served process, on standard error."""

import logging
from typing import Final

_TOLD: Final = ("api", "forge", "graph", "roles", "runs", "sandbox", "uvicorn")
_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to_stderr() -> None:
    """What we and the server say; of other libraries only what is wrong."""
    logging.basicConfig(level=logging.WARNING, format=_FORMAT)
    for name in _TOLD:
        logging.getLogger(name).setLevel(logging.INFO)
