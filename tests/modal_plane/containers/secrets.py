"""Secrets: named ones that a test made, and those that a deployment carries with it."""

from collections.abc import Iterable, Mapping

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.ids import new_id


class Secrets:
    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self.by_name: dict[str, str] = {}

    def add(self, name: str, values: Mapping[str, str]) -> None:
        """Make a Secret, as an operator does on Modal's page."""
        secret_id = new_id("st")
        self.values[secret_id] = dict(values)
        self.by_name[name] = secret_id

    def environment(self, secret_ids: Iterable[str]) -> dict[str, str]:
        """What a container with these Secrets finds in its environment."""
        found: dict[str, str] = {}
        for secret_id in secret_ids:
            found.update(self.values[secret_id])
        return found

    def sources(self, sources: Iterable[pb.SecretSource]) -> dict[str, str]:
        """The same for Secrets that a request names, or brings with it."""
        found: dict[str, str] = {}
        for source in sources:
            if source.secret_id:
                found.update(self.values[source.secret_id])
            else:
                found.update(source.env.contents)
        return found

    def names(self, secret_ids: Iterable[str]) -> set[str]:
        """The names of the Secrets, for assertions; a nameless one is left out."""
        ids = set(secret_ids)
        return {name for name, secret_id in self.by_name.items() if secret_id in ids}

    async def secret_get_or_create(
        self, request: pb.SecretGetOrCreateRequest
    ) -> pb.SecretGetOrCreateResponse:
        name = request.deployment_name
        if request.object_creation_type != pb.OBJECT_CREATION_TYPE_UNSPECIFIED:
            secret_id = new_id("st")
            self.values[secret_id] = dict(request.env_dict)
        elif name not in self.by_name:
            raise GRPCError(Status.NOT_FOUND, f"Secret {name!r} not found")
        else:
            secret_id = self.by_name[name]
            lacking = [key for key in request.required_keys if key not in self.values[secret_id]]
            if lacking:
                raise GRPCError(Status.FAILED_PRECONDITION, f"Secret {name!r} lacks {lacking}")
        return pb.SecretGetOrCreateResponse(
            secret_id=secret_id, metadata=pb.SecretMetadata(name=name)
        )
