"""Pictures of the request in a conversation: sent as they are, counted, left out where refused."""

from base64 import b64decode
from pathlib import Path

import pytest

from graph import RequestPicture, RoleTask, RunFolder
from roles.conversation.opening import text
from roles.transcript.transcript import UserMessage
from roles.turns.model_request import RequestBuilder
from tests.standins.claude import HttpError, ScriptedReply, tool_use
from tests.support.pictures import PNG, pictures_in
from tests.support.roles.role_bench import DONE, MODEL, RUN, Bench, Serve, think_and, transcript

pytestmark = pytest.mark.slow

SHOT = RequestPicture(address="https://f.example/a", file="0001.png", media_type="image/png")
LEFT_OUT = RequestPicture(address="https://f.example/b", left_out="it is larger than 3 MB")
LOOK = ScriptedReply((tool_use("bash", {"command": "cat calc.py"}),))
REFUSALS = [
    HttpError(400, "invalid_request_error", "Could not process image"),
    HttpError(413, "request_too_large", "Request exceeds the maximum size"),
]


@pytest.fixture
def shown(runs: Path, task: RoleTask) -> RoleTask:
    folder = RunFolder.of(runs, RUN).pictures
    folder.mkdir()
    (folder / SHOT.file).write_bytes(PNG)
    return task.model_copy(update={"pictures": (SHOT, LEFT_OUT)})


async def test_a_picture_comes_byte_by_byte_below_its_address(
    serve: Serve, bench: Bench, shown: RoleTask
) -> None:
    async with serve(DONE) as (server, claude):
        await bench.run(claude, task=shown)
    said, address, picture, left_out = server.requests[0]["messages"][0]["content"]
    assert said["text"] == "Judge calc.py."
    assert address["text"] == "The request's picture https://f.example/a:"
    assert b64decode(picture["source"]["data"]) == PNG
    assert left_out["text"].endswith("b is not shown: it is larger than 3 MB.")


async def test_a_conversation_that_goes_on_has_its_pictures(
    serve: Serve, bench: Bench, shown: RoleTask
) -> None:
    broken = HttpError(400, "invalid_request_error", "Not now.")
    async with serve(LOOK, broken, broken) as (_, claude):
        with pytest.raises(Exception, match="Not now"):
            await bench.run(claude, task=shown)
    (RunFolder.of(bench.runs, RUN).pictures / SHOT.file).unlink()
    async with serve(think_and(*DONE.content)) as (server, claude):
        end = await bench.run(claude, task=shown)
    assert end.answer is not None
    assert pictures_in(server.requests[0]) == [PNG]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_refused_picture_is_left_out_once_and_that_is_told(
    serve: Serve, bench: Bench, shown: RoleTask, refusal: HttpError
) -> None:
    async with serve(refusal, LOOK, DONE) as (server, claude):
        end = await bench.run(claude, task=shown)
    assert end.answer is not None
    assert [pictures_in(request) for request in server.requests] == [[PNG], [], []]
    (retry,) = bench.ears.of("retry")
    assert "pictures of the request" in retry["reason"]
    assert retry["reason"].endswith("They are left out.")


async def test_what_is_refused_without_pictures_too_is_raised(
    serve: Serve, bench: Bench, shown: RoleTask
) -> None:
    refused = HttpError(400, "invalid_request_error", "No such thing.")
    async with serve(refused, refused) as (server, claude):
        with pytest.raises(Exception, match="No such thing"):
            await bench.run(claude, task=shown)
    assert len(server.requests) == 2


async def test_a_lost_picture_is_told(serve: Serve, bench: Bench, shown: RoleTask) -> None:
    (RunFolder.of(bench.runs, RUN).pictures / SHOT.file).unlink()
    async with serve(DONE) as (server, claude):
        await bench.run(claude, task=shown)
    assert "is not shown: it was lost" in server.requests[0]["messages"][0]["content"][1]["text"]


def test_a_picture_counts_by_its_size_on_the_screen_not_by_its_bytes() -> None:
    requests = RequestBuilder(model=MODEL, system="You judge.", tools=[], effort=None)
    plain = RequestBuilder(model=MODEL, system="You judge.", tools=[], effort=None)
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 4_000_000}
    opening = UserMessage(purpose="opening", content=[text("Look.")])
    shown = UserMessage(
        purpose="opening", content=[text("Look."), {"type": "image", "source": source}]
    )
    more = requests.prompt_tokens_upper_bound([shown]) - plain.prompt_tokens_upper_bound([opening])
    assert 5_000 <= more < 5_100


async def test_what_is_kept_of_a_conversation_holds_its_pictures(
    serve: Serve, bench: Bench, shown: RoleTask
) -> None:
    async with serve(DONE) as (_, claude):
        await bench.run(claude, task=shown)
    (opening, *_) = transcript(bench.runs, shown).messages
    assert [block["type"] for block in opening.content] == ["text", "text", "image", "text"]
