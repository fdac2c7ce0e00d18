"""What an endpoint does not say of its cost is reckoned, and taken for nothing else."""

from roles.transcript.transcript import AssistantMessage
from roles.turns.deadline import Deadline
from roles.turns.model_request import RequestBuilder
from roles.turns.model_turn import Turns
from roles.turns.spend_meter import SpendMeter
from tests.roles.claude.test_odd_answers import Changed, unused, all_edited
from tests.support.roles.role_bench import DONE, MODEL, Bench, Serve, transcript

UNTOLD = Changed(all_edited(unused), DONE)


async def test_a_reckoned_prompt_is_none_in_the_cache(serve: Serve, bench: Bench) -> None:
    async with serve(UNTOLD, DONE) as (_, claude):
        await bench.run(claude)
        turns = Turns(
            claude=claude,
            requests=RequestBuilder(model=MODEL, system="You judge.", tools=[], effort=None),
            transcript=transcript(bench.runs, bench.task),
            task=bench.task,
            meter=SpendMeter(bench.task, bench.ears),
            deadline=Deadline.before(bench.task.budget.deadline),
            retry_policy=bench.retry_policy,
            emit=bench.ears,
        )
        turns.recall()
    (reply,) = (m for m in turns.transcript.messages if isinstance(m, AssistantMessage))
    assert reply.usage.cache_creation_input_tokens > 0
    assert turns.cached.size == 0


async def test_a_reckoned_reply_is_told_again_as_such(serve: Serve, bench: Bench) -> None:
    async with serve(UNTOLD) as (_, claude):
        await bench.run(claude)
        await bench.run(claude)
    first, again = bench.ears.of("usage")
    assert first["reckoned"]
    assert again == first


def test_a_reply_kept_by_an_earlier_release_is_read() -> None:
    kept = {"role": "assistant", "attempt": 1, "stop_reason": "x", "model": MODEL, "content": []}
    assert not AssistantMessage.model_validate(kept | {"usage": {}, "reckoned": []}).usage_reckoned
