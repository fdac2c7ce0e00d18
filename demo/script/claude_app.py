"""A Messages API whose replies are the script's; real HTTP and real streams."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.script.replay import Replay, Unfit
from demo.script.reply_stream import Block, block_events, sse


def create_claude_app(replay: Replay) -> Starlette:
    """Answer each request with the script's next turn; where it no longer fits, with a 400."""

    async def answer(request: Request) -> Response:
        asked = await request.json()
        try:
            blocks = replay.turn(asked).blocks()
        except Unfit as unfit:
            error = {"type": "invalid_request_error", "message": str(unfit)}
            return JSONResponse({"type": "error", "error": error}, 400)
        return Response(b"".join(_events(asked, blocks)), media_type="text/event-stream")

    return Starlette(routes=[Route("/v1/messages", answer, methods=["POST"])])


def _events(asked: dict[str, Any], blocks: list[Block]) -> Iterator[bytes]:
    message = {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": [],
        "stop_reason": None,
        "usage": _input_usage(asked),
    }
    yield sse("message_start", message=message)
    for index, block in enumerate(blocks):
        yield from block_events(index, block)
    calls = any(block["type"] == "tool_use" for block in blocks)
    delta = {"stop_reason": "tool_use" if calls else "end_turn"}
    yield sse("message_delta", delta=delta, usage={"output_tokens": _tokens(blocks)})
    yield sse("message_stop")


def _input_usage(asked: dict[str, Any]) -> dict[str, int]:
    """Token counts as a prompt cache makes them: what the turn before ended with is read."""
    *_, result = messages = asked["messages"]
    known = 0 if len(messages) == 1 else _tokens(asked) - _tokens(result)
    return {
        "input_tokens": 0,
        "cache_creation_input_tokens": _tokens(asked) - known,
        "cache_read_input_tokens": known,
        "output_tokens": 1,
    }


def _tokens(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False)) // 4
