"""An app that speaks as GitHub's API: what it is asked and what it answers is held."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.standins.github_contract.contract import CONTRACT, Answer, Call
from tests.standins.github_contract.graphql_contract import judge_graphql

API: Final = "/api/v3"
_GRAPHQL: Final = "/api/graphql"


class HeldApp:
    """Fills answers up with what GitHub's have; git and pages beside the API pass as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = bytes(scope.get("raw_path") or b"").decode().partition("?")[0]
        if path != _GRAPHQL and not path.startswith(f"{API}/"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answered = Answered(await request.body())
        if path == _GRAPHQL:
            await self._app(scope, answered.receive, answered.send)
            _hold_graphql(answered)
        else:
            call = Call(
                method=request.method,
                path=path.removeprefix(API),
                query=request.url.query,
                headers=dict(request.headers),
                body=answered.asked,
            )
            operation = CONTRACT.hold_request(call)
            await self._app(scope, answered.receive, answered.send)
            if operation:
                answer = Answer(answered.status, answered.headers, answered.body)
                answered.body = CONTRACT.hold_answer(operation, answer)
        await answered.response()(scope, receive, send)


class Answered:
    """Gives an app the request's body and keeps what it answers."""

    def __init__(self, asked: bytes) -> None:
        self.asked = asked
        self.status = 500
        self.headers: dict[str, str] = {}
        self.body = b""

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.asked, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.headers.pop("content-length", None)
        self.body += message.get("body", b"")

    def response(self) -> Response:
        return Response(self.body, self.status, self.headers)


def _hold_graphql(answered: Answered) -> None:
    if answered.status == 200:
        for wrong in judge_graphql(answered.asked, answered.body):
            CONTRACT.break_by(f"GraphQL: {wrong}")
