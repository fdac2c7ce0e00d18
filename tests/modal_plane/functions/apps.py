"""Apps, and what every client asks first: a greeting, a token, the environment."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.ids import new_id

ENVIRONMENT = "main"
BUILDER = "2026.10"


def token() -> str:
    """A token of the right form that is valid for a day; nobody checks it."""
    parts = ({"alg": "none", "typ": "JWT"}, {"exp": int(time.time()) + 86_400})
    words = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*words, b"x"]).decode()


@dataclass
class App:
    app_id: str
    name: str
    functions: dict[str, str] = field(default_factory=dict)
    deployments: int = 0
    stopped: bool = False


class Apps:
    def __init__(self) -> None:
        self.by_id: dict[str, App] = {}
        self.deployed: dict[str, str] = {}
        self.stop: Callable[[str], None] | None = None

    def create(self, name: str) -> App:
        app = App(new_id("ap"), name)
        self.by_id[app.app_id] = app
        return app

    async def client_hello(self, request: object) -> pb.ClientHelloResponse:
        return pb.ClientHelloResponse()

    async def auth_token_get(self, request: pb.AuthTokenGetRequest) -> pb.AuthTokenGetResponse:
        return pb.AuthTokenGetResponse(token=token())

    async def environment_get_or_create(
        self, request: pb.EnvironmentGetOrCreateRequest
    ) -> pb.EnvironmentGetOrCreateResponse:
        settings = pb.EnvironmentSettings(image_builder_version=BUILDER)
        return pb.EnvironmentGetOrCreateResponse(
            environment_id="en-1",
            metadata=pb.EnvironmentMetadata(name=ENVIRONMENT, settings=settings),
        )

    async def app_get_by_deployment_name(
        self, request: pb.AppGetByDeploymentNameRequest
    ) -> pb.AppGetByDeploymentNameResponse:
        app_id = self.deployed.get(request.name, "")
        return pb.AppGetByDeploymentNameResponse(app_id=app_id, environment_name=ENVIRONMENT)

    async def app_get_or_create(
        self, request: pb.AppGetOrCreateRequest
    ) -> pb.AppGetOrCreateResponse:
        if request.app_name not in self.deployed:
            if request.object_creation_type != pb.OBJECT_CREATION_TYPE_CREATE_IF_MISSING:
                raise GRPCError(Status.NOT_FOUND, f"App {request.app_name!r} not found")
            self.deployed[request.app_name] = self.create(request.app_name).app_id
        return pb.AppGetOrCreateResponse(app_id=self.deployed[request.app_name])

    async def app_create(self, request: pb.AppCreateRequest) -> pb.AppCreateResponse:
        return pb.AppCreateResponse(app_id=self.create(request.description).app_id)

    async def app_publish(self, request: pb.AppPublishRequest) -> pb.AppPublishResponse:
        app = self.by_id[request.app_id]
        app.functions = dict(request.function_ids)
        if request.app_state == pb.APP_STATE_DEPLOYED:
            app.name = request.name
            app.deployments += 1
            self.deployed[request.name] = app.app_id
        return pb.AppPublishResponse(url="http://127.0.0.1/app", deployed_at=time.time())

    async def app_heartbeat(self, request: pb.AppHeartbeatRequest) -> None:
        """An app lives as long as the plane."""

    async def app_client_disconnect(self, request: pb.AppClientDisconnectRequest) -> None:
        """An app that was not deployed ends with its client."""
        app = self.by_id[request.app_id]
        if app.app_id not in self.deployed.values():
            self._end(app)

    async def app_stop(self, request: pb.AppStopRequest) -> None:
        self._end(self.by_id[request.app_id])

    def _end(self, app: App) -> None:
        app.stopped = True
        self.deployed = {
            name: app_id for name, app_id in self.deployed.items() if app_id != app.app_id
        }
        if self.stop is not None:
            self.stop(app.app_id)
