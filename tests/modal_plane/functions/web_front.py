"""An HTTP front for a web function: a request is a call whose data carries ASGI messages."""

from aiohttp import web
from modal._serialization import deserialize_data_format, serialize_data_format
from modal_proto import api_pb2 as pb

from tests.modal_plane.functions.calls import Call, Calls
from tests.modal_plane.functions.registry import Function
from tests.modal_plane.rpc.listeners import listen
from tests.modal_plane.storage.blobs import Blobs

LARGEST_BODY = 1 << 28
LIMIT = 150.0
RESULT = "__modal_function_call_id"
HOP_BY_HOP = ("content-length", "transfer-encoding")


class WebFront:
    """Serves each web function on a port of its own; after `limit` seconds it sends elsewhere."""

    def __init__(self, calls: Calls, blobs: Blobs) -> None:
        self.limit = LIMIT
        self._calls = calls
        self._blobs = blobs
        self._runners: list[web.AppRunner] = []

    async def serve(self, function: Function) -> str:
        """Begin to serve `function`; its URL."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._handle(function, request)

        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
        self._runners.append(runner)
        return await listen(runner)

    async def close(self) -> None:
        for runner in self._runners:
            await runner.shutdown()
            await runner.cleanup()

    async def _handle(self, function: Function, request: web.Request) -> web.StreamResponse:
        known = request.query.get(RESULT)
        call = self._calls.by_id[known] if known else await self._begin(function, request)
        ended = False
        try:
            if not await call.wait(lambda: bool(call.data_out) or call.done, self.limit):
                ended = True
                raise web.HTTPSeeOther(f"{request.path}?{RESULT}={call.call_id}")
            response = await self._answer(call, request)
            ended = True
        finally:
            if not ended:  # the client went away
                _put(call, {"type": "http.disconnect"})
                await call.tell()
        if response is None:
            told = [output.result.exception for output in call.outputs]
            return web.Response(status=500, text=f"{function.name}: {told}")
        return response

    async def _begin(self, function: Function, request: web.Request) -> Call:
        call = self._calls.begin(function.function_id)
        _put(call, {"type": "http.request", "body": await request.read(), "more_body": False})
        arguments = serialize_data_format(((_scope(request),), {}), pb.DATA_FORMAT_PICKLE)
        item = pb.FunctionInput(args=arguments, data_format=pb.DATA_FORMAT_PICKLE)
        self._calls.add(call, item, pb.FUNCTION_CALL_INVOCATION_TYPE_SYNC)
        return call

    async def _answer(self, call: Call, request: web.Request) -> web.StreamResponse | None:
        """Pass the messages on as they come; nothing where the function gave no answer."""
        response: web.StreamResponse | None = None
        async for chunk in call.follow(call.data_out, lambda: call.done):
            data = self._blobs.kept[chunk.data_blob_id] if chunk.data_blob_id else chunk.data
            message = deserialize_data_format(data, chunk.data_format, None)
            if message["type"] == "http.response.start" and response is not None:
                # Its container was lost, and it runs again: what was sent cannot be taken back.
                assert request.transport is not None
                request.transport.abort()
                break
            if message["type"] == "http.response.start":
                response = _begin(message)
                await response.prepare(request)
            elif message["type"] == "http.response.body" and response is not None:
                if message.get("body"):
                    await response.write(message["body"])
                if not message.get("more_body"):
                    await response.write_eof()
                    break
        return response


def _begin(message: dict[str, object]) -> web.StreamResponse:
    response = web.StreamResponse(status=int(str(message["status"])))
    headers = message.get("headers", [])
    assert isinstance(headers, list | tuple)
    for pair in headers:
        name, value = (part.decode() if isinstance(part, bytes) else part for part in pair)
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, value)
    return response


def _put(call: Call, message: dict[str, object]) -> None:
    data = serialize_data_format(message, pb.DATA_FORMAT_ASGI)
    call.put(call.data_in, data, pb.DATA_FORMAT_ASGI)


def _scope(request: web.Request) -> dict[str, object]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": request.path,
        "raw_path": request.raw_path.encode(),
        "root_path": "",
        "query_string": request.query_string.encode(),
        "headers": [[name.lower(), value] for name, value in request.raw_headers],
        "client": ["127.0.0.1", 1],
        "server": ["127.0.0.1", 80],
    }
