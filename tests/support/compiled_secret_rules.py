"""The compiled catalogue of secrets, made once for all processes of a test session."""

import tempfile
from pathlib import Path

from forge.secret_scan.kingfisher import SecretCatalogue


def compiled(shared: Path) -> Path:
    """The folder of compiled rules below `shared`; whoever comes first makes it."""
    rules = shared / "secret-rules"
    if not rules.exists():
        made = Path(tempfile.mkdtemp(dir=shared)) / "rules"
        SecretCatalogue(made).find([(b"nothing", b"")])
        try:
            made.rename(rules)
        except OSError:  # another process was faster
            assert rules.exists()
    return rules
