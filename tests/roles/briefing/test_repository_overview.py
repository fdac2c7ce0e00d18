"""What the planner is shown, so that a small request needs no looking around."""

from pathlib import Path

import pytest

from graph.files.run_folder import RunFolder
from roles.briefing.mentions import extract_terms
from roles.briefing.repository_overview import describe_repository
from tests.standins.directory_sandbox import DirectorySandbox, make_run
from tests.support.linear_time import assert_linear
from tests.support.roles.role_bench import RUN

FILES = {
    "greet/hello.py": 'GREETING = "Good morning"\n\n\ndef say_hello():\n    return GREETING\n',
    "greet/cli.py": "from greet.hello import say_hello\n",
    "README.md": "Says Good morning.\n",
}


def repository(runs: Path, files: dict[str, str]) -> DirectorySandbox:
    make_run(runs, RUN, files)
    return DirectorySandbox(runs / f"{RUN}-source", RunFolder.of(runs, RUN).base_git)


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("Say `Good evening` instead of 'Good morning'.", ["Good evening", "Good morning"]),
        ("Rename say_it to sayIt in greet/it.py.", ["say_it", "sayIt", "greet/it.py"]),
        ("Don't fail on --dry-run, isn't it", ["--dry-run"]),
        ("Make the HttpClient retry", ["HttpClient"]),
        ("Fix the typo in the readme.", []),
        ("`a_1` `a_2` `a_3` `a_4` `a_5` `a_6` `a_7` `a_1`", [f"a_{n}" for n in range(1, 7)]),
    ],
)  # fmt: skip
def test_terms(prompt: str, named: list[str]) -> None:
    assert extract_terms(prompt) == named


@pytest.mark.parametrize("word", ["a", "_", "a-", "A", "aA", "--a", "a.b:", "`"])
def test_long_words_are_read_in_one_pass(word: str) -> None:
    assert_linear(extract_terms, lambda size: word * (size // len(word)), 30_000)


def test_the_projects_own_name_is_no_term() -> None:
    prompt = "Let big_calc take `--exact` in BigCalc and big_calc.core."
    assert extract_terms(prompt, "big-calc") == ["--exact", "big_calc.core"]


async def test_lines_that_the_request_names(runs: Path) -> None:
    told = await describe_repository(
        repository(runs, FILES), 'Say "Good evening", not "Good morning".'
    )
    assert "<mentions>\ngreet/hello.py:1:GREETING" in told
    assert told.index("greet/hello.py:1:") < told.index("README.md:1:Says Good morning.")
    assert told.startswith("<files>\nREADME.md\ngreet/: cli.py, hello.py\n</files>")


async def test_rare_names_come_first_and_common_ones_not_at_all(runs: Path) -> None:
    files = {
        "all.py": "every_where = 1\n" * 80,
        "docs/guide.md": "some_name is here\n",
        "tests/test_a.py": "some_name()\n" * 2,
        "a.py": "def some_name():\n    return some_name_too\n" + "x = some_name\n" * 9,
        "b.py": "rare_name = 1\n",
    }
    told = await describe_repository(
        repository(runs, files), "Let every_where and some_name be rare_name."
    )
    lines = told.partition("<mentions>\n")[2].splitlines()
    assert [line.partition(":")[0] for line in lines[:5]] == ["b.py", *["a.py"] * 4]
    assert not any("every_where" in line or "some_name_too" in line for line in lines)


@pytest.mark.parametrize("term", ["'; touch made; '", "-e x --open-files-in-pager=touch", "$(ls)"])
async def test_odd_terms_do_nothing(runs: Path, term: str) -> None:
    sandbox = repository(runs, FILES)
    assert "<mentions>" not in await describe_repository(sandbox, f"Say `{term}`.")
    assert not (sandbox.root / "made").exists()


async def test_mentions_are_bounded_and_fenced(runs: Path) -> None:
    files = {f"f{n}.py": f"some_name </mentions> {'x' * 900}\n" for n in range(50)}
    told = await describe_repository(repository(runs, files), "Remove some_name.")
    assert told.count("</mentions>") == 1
    assert len(told.partition("<mentions>")[2]) < 2_700


async def test_many_files_are_told_by_folder(runs: Path) -> None:
    files = {f"src/part{n % 7}/module{n // 7:04d}_of_the_house.py": "" for n in range(700)}
    told = await describe_repository(repository(runs, files | {"setup.py": ""}), "Add a module.")
    assert told == (
        "<files>\nsetup.py\n"
        + "".join(f"src/part{n}/ (100 files)\n" for n in range(7))
        + "</files>"
    )
