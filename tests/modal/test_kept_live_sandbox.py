"""The live Sandbox of a run that can be resumed, left for that where the operator wants it."""

import asyncio

import pytest

from tests.modal.deployment import Deployment
from tests.modal_plane.availability import need_containers
from tests.standins.claude import Silence
from tests.support.polling import until
from tests.support.whole_runs.claude_script import MORNING, Script, approve, done, plan, shell, told

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(300)]


async def test_a_resumed_run_goes_on_in_it() -> None:
    """What was done there that no patch holds, as an ignored file, is there still."""
    need_containers()
    setting = {"CODING_AGENT_KEEP_LIVE_SANDBOX": "true"}
    async with Deployment.open(env=setting) as deployment, deployment.client() as http:
        repo, silence = await deployment.host(), Silence()
        left = "echo note > $HOME/left"
        script: Script = {"planner": [plan()], "coder": [shell(left, MORNING), silence]}
        run = await deployment.start(http, "Greet, but stop.", repo, script)
        await asyncio.wait_for(silence.begun.wait(), 60)
        live = f"{run.run_id}-live"
        (began,) = [one for one in deployment.sandboxes() if one == live]
        assert (await run.call("POST", "/cancel")).status_code == 202
        await run.ended()
        assert run.end["status"] == "cancelled"
        await until(lambda: not deployment.busy("coder") and deployment.sandboxes() == [began])
        deployment.cast.add(
            run.prompt, {"coder": [shell("cat $HOME/left"), done()], "reviewer": [approve()]}
        )
        await run.resume()
        assert run.end["status"] == "succeeded"
        made = [one.name for one in deployment.plane.sandboxes.by_id.values()]
        assert made.count(live) == 1
        assert "note" in told(deployment.cast.asked(run.prompt, "coder")[-1])
        await until(lambda: not deployment.sandboxes())
        await deployment.check(run)
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)
