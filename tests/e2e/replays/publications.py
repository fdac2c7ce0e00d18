"""Reports of pull requests that could not be opened, said too much, or promised what is not so."""

from typing import Final

from tests.e2e.replays.replies import long_answer
from tests.e2e.replays.report import Report, coder, nothing_is_opened, tells
from tests.support.whole_runs.claude_script import BREAK, MORNING, done, shell, small_change
from tests.support.whole_runs.hosted_repository import GREETER, Hosted
from tests.support.whole_runs.service_client import Run

_NO_TESTS: Final = {"greet.py": GREETER["greet.py"]}


def _fits(run: Run, repo: Hosted) -> None:
    assert 0 < len(repo.pull.title) <= 256
    assert 0 < len(repo.pull.body) <= 2_000


def _calls_nobody(run: Run, repo: Hosted) -> None:
    assert "for the review" in repo.pull.body
    for effect in ("@octocat", "@octo/team", "Fixes #1", "octo/other#2"):
        assert effect not in repo.pull.body


def _is_not_validated(run: Run, repo: Hosted) -> None:
    assert run.end["reason"] == "not_validated"
    assert repo.pull.draft


def _is_blocked(run: Run, repo: Hosted) -> None:
    assert [finding["rule"] for finding in run.of("gate.finished")[0]["findings"]] == ["workflows"]
    nothing_is_opened(run, repo)


PUBLICATIONS: Final = (
    Report(
        "Alex1990/tiny-oss#75",
        "Assertions were weakened until the checks passed, and nobody was told.",
        coder(
            shell(
                MORNING, BREAK, 'sed -i "s/self.assertIn.*/self.assertTrue(True)/" test_greet.py'
            ),
        ),
        tells("with those of the base it fails: test_the_name_is_in_it"),
    ),
    Report(
        "IstiN/dmtools-agents#431",
        "A title was longer than GitHub takes, and finished work stayed without a pull request.",
        small_change(coder=[shell(MORNING), done(title="Greet in the morning, " * 40)]),
        _fits,
    ),
    Report(
        "potproject/code-agent#3",
        "A text was longer than GitHub takes.",
        small_change(coder=[shell(MORNING), long_answer("A long story. " * 8_000)]),
        _fits,
    ),
    Report(
        "rust-lang/homu#99",
        "Names in the text called people who had nothing to do with it.",
        small_change(
            coder=[
                shell(MORNING),
                done(
                    summary="Thanks @octocat and @octo/team for the review. Fixes #1, octo/other#2."
                ),
            ]
        ),
        _calls_nobody,
    ),
    Report(
        "gabrielkoerich/orch#1681",
        "A workflow file was refused at the push, after everything was paid, with an opaque error.",
        small_change(
            coder=[
                shell(
                    MORNING, "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/x.yml"
                ),
                done(),
            ]
        ),
        _is_blocked,
        status="blocked",
    ),
    Report(
        "amd/gaia#4013",
        "Printing an old log counted as a run of the tests.",
        coder(shell(f"{MORNING}; echo '5 passed in 0.01s'; echo OK")),
        _is_not_validated,
        status="incomplete",
        files=_NO_TESTS,
    ),
    Report(
        "NousResearch/hermes-agent#71227",
        "A run that collected no test at all looked like one that passed.",
        coder(shell(MORNING)),
        _is_not_validated,
        status="incomplete",
        files={**_NO_TESTS, "test_greet.py": "import greet\n"},
    ),
)
