"""The benchmark's second form: a replay plays the set-up turn, everything else is real."""

from pathlib import Path

import pytest

from benchmarks.environments import Replay, measure, replayed
from tests.support.sandbox.sample_run import commit_files
from wiring import Machine, Settings

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

TEST = (
    "import tiny\nfrom unittest import TestCase\n"
    "class T(TestCase):\n    def test_a(self): self.assertEqual(tiny.ANSWER, 42)\n"
)
MAKE = (
    'site=$(python3 -m site --user-site) && mkdir -p "$site" && echo "ANSWER = 42" >"$site/tiny.py"'
)


async def test_a_replay_makes_the_main_check_pass_and_an_empty_one_leaves_it(
    data_dir: Path, tmp_path: Path
) -> None:
    for name in ("known", "unknown"):
        commit_files(tmp_path / name, {"tests/__init__.py": "", "tests/test_a.py": TEST})
    turn = {"tries": ["ls", MAKE], "commands": [{"folder": "", "command": MAKE}], "reason": "."}
    replay = Replay({"known": turn})
    settings = Settings(data_dir=data_dir / "data", setup_hosts=("index.example",))
    async with replayed(settings, replay) as whole, Machine(whole) as machine:
        replay.name = "known"
        row = await measure(machine, tmp_path / "known", with_model=True)
        assert (row.ended, row.found, row.turns) == ("passed", [MAKE], 3)
        replay.name = "unknown"
        row = await measure(machine, tmp_path / "unknown", with_model=True)
        assert (row.ended, row.found, row.turns) == ("failed", [], 1)
        assert "The replay has nothing of it." in row.left_out[0]
        row = await measure(machine, tmp_path / "unknown")
        assert (row.ended, row.turns) == ("failed", 0)
