"""Files of a base, many at once: each name has its own answer, whatever the ones before it are."""

from pathlib import Path

import pytest

from graph.files.run_folder import RunFolder
from roles.briefing.base_files import read_base_files
from tests.standins.directory_sandbox import DirectorySandbox, make_run
from tests.support.roles.role_bench import RUN

_COMMIT = "git add -A && git -c user.name=T -c user.email=t@t commit -qm links"


@pytest.mark.parametrize(
    "target",
    [
        "nowhere",
        "loop",
        "a.md/within",
        "../x",
        "/etc/hostname",
        "ä\nblob $(git hash-object b.md)\nx",
    ],
)
async def test_a_link_that_leads_nowhere_does_not_move_the_answers(runs: Path, target: str) -> None:
    make_run(runs, RUN, {"a.md": "A\n", "b.md": "B\n", "two words.md": "C\n"})
    sandbox = DirectorySandbox(runs / f"{RUN}-source", RunFolder.of(runs, RUN).base_git)
    linked = await sandbox.run(f'ln -s "{target}" link && ln -s loop loop && {_COMMIT}')
    assert linked.exit_code == 0
    names = ["absent", "link", "a.md", "a\nb", "link", "loop", "two words.md", "b.md", "a.md"]
    found, printed = await read_base_files(sandbox, "HEAD", names, "printf said")
    assert found == [("a.md", "A\n"), ("two words.md", "C\n"), ("b.md", "B\n")]
    assert printed == ["said"]


async def test_no_name_finds_nothing(runs: Path) -> None:
    make_run(runs, RUN, {"a.md": "A\n"})
    sandbox = DirectorySandbox(runs / f"{RUN}-source", RunFolder.of(runs, RUN).base_git)
    assert await read_base_files(sandbox, "HEAD", []) == ([], [])
