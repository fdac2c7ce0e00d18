"""What every event of a run has."""

import hashlib
from typing import Any, ClassVar, Self

from graph.values import Value


class EventBase(Value):
    """What every event has; `key` is empty where an event may come any number of times."""

    key: str = ""
    always: ClassVar[tuple[str, ...]] = ()
    """Fields that are there as null, too."""

    def data(self) -> dict[str, Any]:
        """The event's own fields as on the wire: camelCase, without `key` and absent ones."""
        data = self.model_dump(mode="json", by_alias=True, exclude={"key"}, exclude_none=True)
        return data | {name: data.get(name) for name in self.always}

    def keyed(self, scope: str) -> Self:
        """This event with a key of `scope` and its content: the same again adds nothing."""
        digest = hashlib.sha256(self.model_dump_json(exclude={"key"}).encode()).hexdigest()[:16]
        return self.model_copy(update={"key": f"{scope}:{digest}"})
