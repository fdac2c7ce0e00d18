"""The readable diff of a change, as a role is shown it."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from roles.briefing.untrusted_text import quote_untrusted
from sandbox.changes import Diff

_MAX_LISTED: Final = 200


class ChangeDiff(Diff):
    """What a change does, in the order of its files."""

    def shown(self, most: int) -> str:
        """All of it, or of too much all files by name and of the large ones both ends."""
        if len(self.text) <= most or len(self.files) < 2:
            return quote_untrusted("diff", self.text, most)
        share = _fair_share([len(file.text) for file in self.files], most)
        parts = [quote_untrusted("diff", file.text, share) for file in self.files]
        sizes = accumulate(map(len, parts))
        kept = [part for part, room in zip(parts, sizes, strict=True) if room <= 2 * most]
        listed = [
            f"{file.path}: {file.status}, +{len(file.added)} -{len(file.removed)}"
            for file in self.files[:_MAX_LISTED]
        ]
        if more := len(self.files) - len(listed):
            listed.append(f"and {more} more")
        if self.cut:
            listed.append("and what follows: the rest of the diff was not read")
        note = "The diff is long; of large files both ends are shown. All files of the change:"
        return "\n".join([note, quote_untrusted("files_changed", "\n".join(listed), most), *kept])


def _fair_share(sizes: Sequence[int], most: int) -> int:
    """The size up to which each is shown, so that all together come to about `most`."""
    left, share = most, most
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            break
        left -= size
    return max(share, 200)
