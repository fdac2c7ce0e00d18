"""Whether a check could start, asked in a real sandbox."""

import pytest

from graph.values import commands_of
from sandbox.checks.could_start import could_start
from tests.support.sandbox.sample_run import SampleRun

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize(
    ("command", "exit_code", "started"),
    [
        ("anything", 127, False),
        ("anything", 126, False),
        ("anything", 1, True),
        ("python3 -m no_such", 1, False),
        ("A=1 B='x y' /usr/bin/python3 -m no_such.part -q", 1, False),
        ("python3 -m unittest", 1, True),
        ("cd src && python3 -m app", 1, True),
        ("cd src && python3 -m no_such", 1, False),
        ("cd 'a b' && python3 -m inner", 1, True),
        ("python3 -m inner", 1, False),
        ("cd a\\ b && python3 -m inner", 1, True),
        ("cd $(touch made) && python3 -m inner", 1, True),
        ("python3 -m 'no;such'", 1, True),
        ("python3 -m no_such", None, True),
        ("bundle exec rspec", 7, False),
        ("cd src && bundle exec rspec", 7, False),
        ("bundle exec rspec", 1, True),
        ("rake test", 7, True),
        ("python3 'unclosed", 1, True),
    ],
)
async def test_what_is_not_there_could_not_start(
    run: SampleRun, command: str, exit_code: int | None, started: bool
) -> None:
    sandbox = await run.open()
    await sandbox.run("mkdir 'a b'; touch 'a b/inner.py'")
    (check,) = commands_of([command])
    assert await could_start(sandbox, check, exit_code) is started
    assert (await sandbox.run("[ ! -e made ]")).exit_code == 0
