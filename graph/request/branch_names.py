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
_PLAIN = re.compile(r"\w[\w./#@+-]*")
_READ_OTHERWISE = re.compile(r"([A-Z]+_)?HEAD|[0-9a-fA-F]{40,64}")
"""git reads these as what is checked out, or as a commit."""
_TICKET = re.compile(r"(?<![\w-])([A-Z][A-Z0-9]{1,9})-[1-9]\d{0,6}(?![\w-])")
_STANDARD = re.compile(
    r"AES|ASCII|BASE|BCP|CVE|CWE|ES|GPT|HTTP|IEEE|IPV|ISO|LATIN|MD|OAUTH|PEP|PKCS|RFC|SHA|SSL|TLS"
    r"|TS|UTF"
)
"""Names of standards are written as tickets are."""
DEFAULT_PREFIX = "agent/"
_KEY_LIKE = re.compile(r"(?=.*\d).{16,}")
"""A word that may be a key is not shown to everyone."""


def is_branch_name(name: str) -> bool:
    """Whether git would take the name, and not as an option."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= _MAX_BYTES and not _REFUSED.search(name)


def is_new_branch_name(name: str) -> bool:
    """Whether a branch may be given the name: neither git nor a shell reads anything else in it."""
    plain = _PLAIN.fullmatch(name) and not _READ_OTHERWISE.fullmatch(name)
    return bool(plain) and is_branch_name(name)


def branch_name(title: str, run_id: str, *, prefix: str = DEFAULT_PREFIX, prompt: str = "") -> str:
    """`<prefix><ticket>-<slug>-<short id>`: the title's first words, the run id's last characters.

    The ticket is the first that the prompt names, such as `ABC-123`. Letters lose their accents.
    What may be a key is left out of the words.
    """
    ticket = find_ticket(prompt) or find_ticket(title)
    text = title[:_READ].replace(ticket, " ", 1) if ticket else title[:_READ]
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = ""
    words = re.findall(r"[a-z0-9]+", plain.lower())
    for word in (word for word in words if not _KEY_LIKE.fullmatch(word)):
        longer = f"{slug}-{word}" if slug else word
        if len(longer) > _SLUG_LENGTH:
            break
        slug = longer
    short = re.sub(r"[^0-9a-z]", "", run_id.lower())[-_SHORT_ID:]
    return prefix + "-".join(part for part in (ticket, slug or "change", short) if part)


def find_ticket(text: str) -> str:
    """The first key of a ticket, such as `ABC-123`, or nothing; names of standards are none."""
    found = (match for match in _TICKET.finditer(text[:_READ]) if not _STANDARD.fullmatch(match[1]))
    return next((match[0] for match in found), "")
