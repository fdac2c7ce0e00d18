"""Names of branches: those that a caller may give, and that of the branch a run publishes to."""

import re
import unicodedata

_SLUG_LENGTH = 40
_READ = 2_000
_SHORT_ID = 8
_MAX_BYTES = 200
_REFUSED = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|[./]$|^[-/]|^@$|^refs/"
)
_KEY_LIKE = re.compile(r"(?=.*\d).{16,}")
"""A word that may be a key is not shown to everyone."""


def is_branch_name(name: str) -> bool:
    """Whether git would take the name, and not as an option."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _MAX_BYTES and not _REFUSED.search(name)


def branch_name(title: str, run_id: str) -> str:
    """`agent/<slug>-<short id>`: a title's first words and the run id's last characters.

    Letters lose their accents. What may be a key is left out of the words.
    """
    slug = ""
    plain = unicodedata.normalize("NFKD", title[:_READ]).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    for word in (word for word in words if not _KEY_LIKE.fullmatch(word)):
        longer = f"{slug}-{word}" if slug else word
        if len(longer) > _SLUG_LENGTH:
            break
        slug = longer
    short = re.sub(r"[^0-9a-z]", "", run_id.lower())[-_SHORT_ID:]
    return f"agent/{slug or 'change'}-{short}"
