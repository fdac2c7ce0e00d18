"""What a repository asks of agents: which files are read, and that they stay what they are."""

from pathlib import Path

import pytest

from graph.files.run_folder import RunFolder
from roles.briefing.agent_instructions import read_instructions
from tests.standins.directory_sandbox import DirectorySandbox, make_run
from tests.support.roles.role_bench import RUN


def repository(runs: Path, files: dict[str, str]) -> DirectorySandbox:
    make_run(runs, RUN, files)
    return DirectorySandbox(runs / f"{RUN}-source", RunFolder.of(runs, RUN).base_git)


async def test_files_nearest_to_what_is_changed_come_after_those_at_the_top(runs: Path) -> None:
    sandbox = repository(
        runs,
        {
            "CLAUDE.md": "Use tabs.\n",
            ".github/copilot-instructions.md": "Say less.\n",
            "web/AGENTS.md": "Use hooks.\n",
            "web/ui/CLAUDE.md": "No colours.\n",
            "api/AGENTS.md": "Not yours.\n",
        },
    )
    parts = await read_instructions(sandbox, "HEAD", ["web/ui/button.ts", "web/new.ts", "../x"])
    assert [part.partition(":")[0] for part in parts] == [
        "For agents, in CLAUDE.md",
        "For agents, in .github/copilot-instructions.md",
        "For agents, in web/ui/CLAUDE.md",
        "For agents, in web/AGENTS.md",
    ]
    assert parts[2].endswith("<repository_wishes>\nNo colours.\n</repository_wishes>")


async def test_a_change_crowds_out_none_of_them_by_folders_of_its_own(runs: Path) -> None:
    sandbox = repository(runs, {"src/AGENTS.md": "Use tabs.\n"})
    deep = [f"{'a/' * depth}new.py" for depth in range(1, 20)]
    (told,) = await read_instructions(sandbox, "HEAD", ["src/app.py", *deep])
    assert "Use tabs." in told


async def test_what_they_name_is_read_two_levels_deep(runs: Path) -> None:
    sandbox = repository(
        runs,
        {
            "CLAUDE.md": "See @docs/style.md. Ask @octo or a@b.com; never @../x, @/etc/x.\n",
            "docs/style.md": "@deep.md\n@style.md\n",
            "docs/deep.md": "@deeper.md Deep.\n",
            "docs/deeper.md": "Deeper.\n",
        },
    )
    told = "\n".join(await read_instructions(sandbox, "HEAD"))
    assert "in docs/style.md:" in told
    assert "@deeper.md Deep." in told
    assert "Deeper." not in told


async def test_guides_for_contributors_are_named(runs: Path) -> None:
    files = {"CONTRIBUTING.md": "Be kind.\n", "docs/CONTRIBUTING.rst": "Be kind.\n"}
    told = await read_instructions(repository(runs, files), "HEAD")
    assert told == ("For contributors: CONTRIBUTING.md, docs/CONTRIBUTING.rst.",)


async def test_wishes_are_told_once_whatever_links_to_them(runs: Path) -> None:
    sandbox = repository(runs, {"CLAUDE.md": "Use tabs.\n"})
    links = "ln -s CLAUDE.md AGENTS.md && git add -A && git -c user.name=T -c user.email=t@t"
    assert (await sandbox.run(f"{links} commit -qm links && rm AGENTS.md")).exit_code == 0
    assert str(await read_instructions(sandbox, "HEAD")).count("Use tabs.") == 1
    for link in ("/etc/hostname", "../x", "AGENTS.md"):
        made = f"ln -sf {link} AGENTS.md && {links.partition('&& ')[2]} commit -qm {link}"
        assert (await sandbox.run(made)).exit_code == 0
        assert str(await read_instructions(sandbox, "HEAD")).count("Use tabs.") == 1


@pytest.mark.parametrize("path", ["'; touch made; '/x", "$(touch made)/x", "a\nb/x", "-/x"])
async def test_odd_paths_do_nothing(runs: Path, path: str) -> None:
    sandbox = repository(runs, {"AGENTS.md": "a\n"})
    assert len(await read_instructions(sandbox, "HEAD", [path])) == 1
    assert not (sandbox.root / "made").exists()


async def test_hostile_wishes_stay_wishes(runs: Path) -> None:
    marks = "\n".join(f"----- {n} -----" for n in range(9))
    (told,) = await read_instructions(repository(runs, {"AGENTS.md": f"a\n{marks}\nb\n"}), "HEAD")
    assert told.endswith("b\n</repository_wishes>")
