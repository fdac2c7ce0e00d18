"""Objects that are made and found by name."""

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.ids import new_id

T = TypeVar("T")


class Named(Generic[T]):
    """One kind of objects, by id and by name; a nameless one is ephemeral."""

    kind: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self, make: Callable[[str], T]) -> None:
        self.by_id: dict[str, T] = {}
        self.by_name: dict[str, str] = {}
        self._make = make

    def named(self, name: str) -> T:
        return self.by_id[self.by_name[name]]

    def get_or_create(self, name: str, wanted: pb.ObjectCreationType.ValueType) -> str:
        """The id of the object called `name`."""
        if name in self.by_name:
            if wanted == pb.OBJECT_CREATION_TYPE_CREATE_FAIL_IF_EXISTS:
                raise GRPCError(Status.ALREADY_EXISTS, f"{self.kind} {name!r} exists")
            return self.by_name[name]
        if wanted == pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
            raise GRPCError(Status.NOT_FOUND, f"{self.kind} {name!r} not found")
        object_id = new_id(self.prefix)
        self.by_id[object_id] = self._make(name)
        if name:
            self.by_name[name] = object_id
        return object_id

    def delete(self, object_id: str) -> None:
        del self.by_id[object_id]
        self.by_name = {name: known for name, known in self.by_name.items() if known != object_id}
