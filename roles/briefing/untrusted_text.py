"""Text of others as it is shown to Claude: named, bounded, and unable to end its own fence."""

import re

from sandbox.core import BothEnds, render


def quote_untrusted(name: str, text: str, max_bytes: int) -> str:
    """The text between tags; of too much the two ends are kept."""
    ends = BothEnds(max_bytes)
    ends.feed(text.encode("utf-8", errors="replace"))
    shown = render(ends.kept, ends.dropped).strip("\n")
    shown = re.sub(rf"</(?=\s*{name}\b)", r"<\\/", shown, flags=re.IGNORECASE)
    return f"<{name}>\n{shown}\n</{name}>"
