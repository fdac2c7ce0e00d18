"""The compiled catalogue of secrets, made once for all processes of a test session."""

import fcntl
import shutil
from pathlib import Path

from forge.secret_scan.kingfisher import SecretCatalogue

_shared: list[Path] = []


def share(folder: Path) -> None:
    """Name the folder that all processes of this session have."""
    _shared[:] = [folder]


def compiled(shared: Path) -> Path:
    """The folder of compiled rules below `shared`; whoever comes first makes it."""
    rules = shared / "secret-rules"
    with (shared / "secret-rules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not rules.exists():
            SecretCatalogue(rules).find([(b"nothing", b"")])
    return rules


def copy_rules(data: Path) -> None:
    """Have them in a data folder, where a session shares them: else each folder's are compiled."""
    for shared in _shared:
        shutil.copytree(compiled(shared), data / "secret-rules")
        data.chmod(0o711)
