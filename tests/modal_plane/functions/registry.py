"""Functions as they were deployed: their definitions, and the inputs that wait for a container."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grpclib import GRPCError, Status
from modal_proto import api_pb2 as pb

from tests.modal_plane.functions.apps import Apps
from tests.modal_plane.ids import new_id

if TYPE_CHECKING:
    from tests.modal_plane.functions.calls import Input

LARGEST_MESSAGE = 2 << 20


@dataclass
class Function:
    """A deployed function; `idle` is how long its container waits for another input."""

    function_id: str
    app_id: str
    definition: pb.Function
    waiting: "asyncio.Queue[Input]" = field(default_factory=asyncio.Queue)
    starting: int = 0
    idle: float = 30.0
    url: str = ""

    @property
    def name(self) -> str:
        return self.definition.function_name

    @property
    def schedule(self) -> pb.Schedule | None:
        return self.definition.schedule if self.definition.HasField("schedule") else None

    def handle(self) -> pb.FunctionHandleMetadata:
        definition = self.definition
        return pb.FunctionHandleMetadata(
            function_name=definition.function_name,
            function_type=definition.function_type,
            web_url=self.url,
            definition_id="de-" + self.function_id,
            function_schema=definition.function_schema,
            supported_input_formats=definition.supported_input_formats,
            supported_output_formats=definition.supported_output_formats,
            app_id=self.app_id,
            max_object_size_bytes=LARGEST_MESSAGE,
        )

    def data(self) -> pb.FunctionData:
        ranked = pb.FunctionData.RankedFunction(rank=0, function=self.definition)
        return pb.FunctionData(ranked_functions=[ranked])


class Functions:
    def __init__(self, apps: Apps) -> None:
        self.by_id: dict[str, Function] = {}
        self.serve_web: Callable[[Function], Awaitable[str]] | None = None
        self.retire: Callable[[Function], None] | None = None
        self.warm: Callable[[], object] | None = None
        self.warm_own: Callable[[Function], object] | None = None
        self._apps = apps

    def named(self, name: str, app: str = "") -> Function:
        """The newest deployed function of this name."""
        for deployed in reversed(self._apps.by_id.values()):
            if name in deployed.functions and app in ("", deployed.name):
                return self.by_id[deployed.functions[name]]
        raise KeyError(name)

    async def function_precreate(
        self, request: pb.FunctionPrecreateRequest
    ) -> pb.FunctionPrecreateResponse:
        if self.warm is not None:  # while the deployment goes on
            self.warm()
        function = self.by_id.get(request.existing_function_id)
        if function is None:
            definition = pb.Function(
                function_name=request.function_name, function_type=request.function_type
            )
            function = Function(new_id("fu"), request.app_id, definition)
            self.by_id[function.function_id] = function
        if request.webhook_config.type and not function.url and self.serve_web is not None:
            function.url = await self.serve_web(function)
        return pb.FunctionPrecreateResponse(
            function_id=function.function_id, handle_metadata=function.handle()
        )

    async def function_create(self, request: pb.FunctionCreateRequest) -> pb.FunctionCreateResponse:
        function = self.by_id[request.existing_function_id]
        if self.retire is not None:
            self.retire(function)
        function.definition = request.function
        function.definition.web_url = function.url
        if self.warm_own is not None:
            self.warm_own(function)
        return pb.FunctionCreateResponse(
            function_id=function.function_id,
            function=function.definition,
            handle_metadata=function.handle(),
            function_data=function.data(),
        )

    async def function_update_scheduling_params(
        self, request: pb.FunctionUpdateSchedulingParamsRequest
    ) -> pb.FunctionUpdateSchedulingParamsResponse:
        definition = self.by_id[request.function_id].definition
        definition.autoscaler_settings.MergeFrom(request.settings)
        return pb.FunctionUpdateSchedulingParamsResponse()

    async def function_get(self, request: pb.FunctionGetRequest) -> pb.FunctionGetResponse:
        app_id = self._apps.deployed.get(request.app_name, "")
        functions = self._apps.by_id[app_id].functions if app_id else {}
        if request.object_tag not in functions:
            raise GRPCError(
                Status.NOT_FOUND, f"Function {request.app_name}/{request.object_tag} not found"
            )
        function = self.by_id[functions[request.object_tag]]
        return pb.FunctionGetResponse(
            function_id=function.function_id,
            handle_metadata=function.handle(),
            function=function.data(),
        )
