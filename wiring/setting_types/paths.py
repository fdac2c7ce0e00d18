"""Places on this machine."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from wiring.setting_types.comma_list import from_text


def absolute(value: object) -> Path:
    """The path from the root on, as it is written: links are kept."""
    return Path(os.path.abspath(_expanded(str(value))))  # noqa: PTH100


def _expanded(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("begins with the home of a user whom this machine does not know") from None


def _folders(value: str) -> list[Path]:
    folders = [_expanded(part) for part in re.split(r"[,:]", value) if part.strip()]
    if not all(folder.is_absolute() for folder in folders):
        raise ValueError("takes absolute folders, separated by commas")
    return folders


AbsolutePath = Annotated[Path, BeforeValidator(absolute)]
Folders = Annotated[tuple[Path, ...], from_text(_folders)]
