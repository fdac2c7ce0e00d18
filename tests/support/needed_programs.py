"""Programs of the machine that some tests try: without them they are skipped, with the reason."""

import shutil

import pytest

from sandbox.tree.environment import SYSTEM_PATH


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where one is not in a folder that the sandbox sees."""
    missing = [name for name in programs if shutil.which(name, path=SYSTEM_PATH) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not in /usr: {', '.join(missing)}")
