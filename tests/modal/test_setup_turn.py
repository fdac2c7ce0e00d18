"""A set-up turn on Modal: a function of its own with Claude's key, a Sandbox with the hosts."""

from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.modal.deployment import Deployment
from tests.modal_plane.availability import need_containers
from tests.support.whole_runs.claude_script import found, shell, small_change, told
from tests.support.whole_runs.hosted_repository import GREETER

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.timeout(300)]

NEEDS_TINY: Final = f"import tiny\n{GREETER['test_greet.py']}"
MAKE: Final = (
    'site=$(python3 -m site --user-site) && mkdir -p "$site" && echo "ANSWER = 42" >"$site/tiny.py"'
)


async def test_it_is_played_by_a_function_and_kept_for_the_next_run() -> None:
    need_containers()
    hosts = {"CODING_AGENT_SETUP_HOSTS": "index.example"}
    async with Deployment.open(env=hosts) as deployment, deployment.client() as http:
        repo = await deployment.host({**GREETER, "test_greet.py": NEEDS_TINY})
        deployment.cast.setup = [shell(f"{MAKE} && python3 -m unittest discover"), found(MAKE)]
        run = await deployment.start(http, "Greet on Modal.", repo, small_change())
        await run.ended()
        assert run.end["status"] == "succeeded"
        await deployment.check(run)
        assert len(deployment.containers("setup")) == 1
        (opening, tried) = map(told, deployment.cast.setup_asked)
        assert "No module named 'tiny'" in opening
        assert "OK" in tried
        assert run.of("environment.ready")[-1]["maker"] == run.run_id
        domains = [one.allowed_domains for one in deployment.plane.sandboxes.by_id.values()]
        assert ["index.example"] in domains

        again = await deployment.start(http, "Greet there again.", repo, small_change())
        await again.ended()
        assert again.end["status"] == "succeeded"
        await deployment.check(again)
        assert len(deployment.cast.setup_asked) == 2
        assert again.of("environment.ready")[-1]["maker"] == run.run_id
        assert not run.of("baseline.finished")[0]["kept"]
        assert again.of("baseline.finished")[-1]["kept"]

        assert deployment.plane.images.snapshots
        kept = urlsplit(repo.url).path
        assert (await http.delete(f"/environments{kept}")).status_code == 204
        assert not deployment.plane.images.snapshots
        assert (await http.get(f"/environments{kept}")).status_code == 404
        deployment.cast.setup += [shell("true"), found(MAKE)]
        anew = await deployment.start(http, "Greet there once more.", repo, small_change())
        await anew.ended()
        assert anew.end["status"] == "succeeded"
        assert not anew.of("baseline.finished")[0]["kept"]
        assert anew.of("environment.ready")[-1]["maker"] == anew.run_id
        assert not deployment.plane.errors, "\n".join(deployment.plane.errors)
