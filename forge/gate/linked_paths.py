"""Under which other paths a checkout has a file, where folders of it are symbolic links.

Paths are folded, as a file system has them that ignores case. A way that goes through one link
twice leads to no new name that anybody looks for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graph import LONGEST_PATH

_MOST_LINKS = 6
"""So many links a way goes through at most."""
_MOST_WAYS = 500
"""So many ways to one file are looked at."""
_MOST_STEPS = 40
_MOST_NAMES = 15_000_000
"""So many names of paths are looked at in one tree: some ten seconds."""
_WAY_IN_NAMES = 50
"""What it takes to hold one path against all kinds."""


@dataclass(frozen=True)
class LinkedPath:
    """Another path of a file, and the links that lead there."""

    path: str
    links: tuple[str, ...]


class BeyondBounds(Exception):
    """Raised when links lead further than is looked at."""


class TooManyWays(BeyondBounds):
    """Raised when links lead to one file in more ways than are looked at."""


class TooManyNames(BeyondBounds):
    """Raised when all names that are looked at in one tree have been."""


class LinkedPaths:
    """The links of one tree by their folded paths."""

    def __init__(
        self, links: Mapping[str, Sequence[str]], *, most_names: int = _MOST_NAMES
    ) -> None:
        """`links`: what the links of a path lead to; names that differ by case are one path.

        Raises TooManyNames.
        """
        self._links = links
        self._left = most_names
        self._by_target: dict[str, list[str]] = {}
        for link in links:
            for target in sorted(set(self._resolve(link))):
                self._by_target.setdefault(target, []).append(link)

    def others(self, path: str) -> Iterator[LinkedPath]:
        """The other paths of what lies at a path. Raises TooManyWays or TooManyNames."""
        if len(path) > LONGEST_PATH:
            return
        found, seen = [LinkedPath(path, ())], {path}
        for known in found:
            for link, other in self._step(known.path):
                if link in known.links or other in seen:
                    continue
                if len(known.links) == _MOST_LINKS or len(found) > _MOST_WAYS:
                    raise TooManyWays
                self._spend(_WAY_IN_NAMES)
                seen.add(other)
                found.append(way := LinkedPath(other, (*known.links, link)))
                yield way

    def _step(self, path: str) -> Iterator[tuple[str, str]]:
        """What one link makes of a path: it leads to it, or to a folder that it lies in."""
        self._spend(path.count("/") + 1)
        for target in _with_parents(path):
            for link in self._by_target.get(target, ()):
                rest = path[len(target) :].removeprefix("/")
                yield link, f"{link}/{rest}" if rest else link

    def _resolve(self, link: str) -> Iterator[str]:
        """Where a link leads in the end; nowhere where that is outside, or never ends."""
        folder = link.split("/")[:-1]
        ways = [_Way.along(folder, target) for target in self._links[link]]
        for _ in range(_MOST_STEPS):
            if not ways:
                return
            way = ways.pop()
            self._spend(len(way.left))
            if (stop := way.walk(self._links)) is None:
                continue
            if stop not in self._links or way.arrived:
                yield stop
                continue
            ways += [way.through(target) for target in self._links[stop]]

    def _spend(self, names: int) -> None:
        """Raise TooManyNames where all that may be looked at have been."""
        self._left -= names
        if self._left < 0:
            raise TooManyNames


@dataclass
class _Way:
    """A walk from the root: where it is, and the names that are left, the next one last."""

    place: str
    left: list[str]
    arrived: bool = False

    @classmethod
    def along(cls, folder: list[str], target: str) -> "_Way":
        outside = ["..", *folder] if target.startswith("/") else folder
        return cls("", [*reversed(_parts(target)), *reversed(outside)])

    def walk(self, links: Mapping[str, Sequence[str]]) -> str | None:
        """Go on to the next link, or to the end; None where no checkout has what it meets."""
        while self.left:
            part = self.left.pop()
            if part == "..":
                if not self.place:
                    return None
                self.place = self.place.rpartition("/")[0]
                continue
            self.place = f"{self.place}/{part}" if self.place else part
            if len(self.place) > LONGEST_PATH:
                return None
            if self.place in links:
                return self.place
        self.arrived = True
        return self.place

    def through(self, target: str) -> "_Way":
        """The walk that goes on where the link that it stands at leads."""
        way = _Way.along(self.place.split("/")[:-1], target)
        return _Way("", [*self.left, *way.left])


def _parts(target: str) -> list[str]:
    return [part for part in target.split("/") if part not in ("", ".")]


def _with_parents(path: str) -> Iterable[str]:
    """A path, the folders that it lies in, and the root."""
    yield path
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
    if path:
        yield ""
