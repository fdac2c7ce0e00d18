"""How tests read a service: a stream that the server ends early is followed by the next."""

import httpx

from tests.support.whole_runs.service_client import Run

STREAMS = {
    "0": 'id: 1\nevent: run.queued\ndata: {"seq": 1, "type": "run.queued"}\n\n'
    'event: stream.end\ndata: {"runId": "r", "after": 1, "url": "/runs/r/events"}\n\n',
    "1": 'event: stream.end\ndata: {"runId": "r", "after": 1, "url": "/runs/r/events"}\n\n'
    'id: 9\nevent: never\ndata: {"seq": 9, "type": "never"}\n\n',
}
LAST = 'id: 2\nevent: run.finished\ndata: {"seq": 2, "type": "run.finished"}\n\n'


async def test_a_run_longer_than_a_stream_is_read_to_its_end() -> None:
    streams = {**STREAMS}

    def answer(request: httpx.Request) -> httpx.Response:
        text = streams.pop(request.headers["Last-Event-ID"], LAST)
        return httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=text)

    async with httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://service"
    ) as http:
        run = await Run(http, "r", "prompt").watch().ended()
    assert [event["seq"] for event in run.events] == [1, 2]
    assert (run.end["type"], run.cut_after) == ("run.finished", 1)
