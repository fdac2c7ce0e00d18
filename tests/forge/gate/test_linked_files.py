"""Files that act by themselves only where a checkout has them: behind symbolic links."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forge.gate.linked_paths import LinkedPaths, TooManyNames, TooManyWays
from graph.publication import GateReport
from tests.forge.gate.test_judge import link, write
from tests.support.trusted_side import TrustedSide, git

pytestmark = pytest.mark.slow

Edit = Callable[[Path], object]
NOTHING: tuple[Edit, ...] = ()


async def judged(side: TrustedSide, base: tuple[Edit, ...], change: tuple[Edit, ...]) -> GateReport:
    """The gate's word on a change of a repository that has been given a base."""
    for edit in base:
        edit(side.source)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "links", "--allow-empty")
    await side.forge.add_repository("octo/linked", side.source)
    taken = await side.prepare(f"{side.forge.address}/octo/linked")

    def edit_all(work: Path) -> None:
        for edit in change:
            edit(work)

    made = await side.change(taken, edit_all)
    return await side.publisher.gate("r1", taken, made, ())


TASKS = write("editor/tasks.json", "{}\n")
FLOW = "on: push\n"


@pytest.mark.parametrize(
    ("base", "change", "found"),
    [
        (NOTHING, (TASKS, link(".vscode", "editor")), ("agent_config", ".vscode/tasks.json")),
        (
            NOTHING,
            (write("hub/workflows/ci.yml", FLOW), link(".github", "hub")),
            ("workflows", ".github/workflows/ci.yml"),
        ),
        ((link(".vscode", "editor"),), (TASKS,), ("agent_config", ".vscode/tasks.json")),
        ((TASKS,), (link(".vscode", "editor"),), ("agent_config", ".vscode/tasks.json")),
        (
            (link(".vscode", "editor"), TASKS),
            (write("editor/tasks.json", "[]\n"),),
            ("agent_config", ".vscode/tasks.json"),
        ),
        (
            NOTHING,
            (
                write("c/workflows/x.yml", FLOW),
                link("b", "c"),
                link("a", "b"),
                link(".github", "a"),
            ),
            ("workflows", ".github/workflows/x.yml"),
        ),
        (
            NOTHING,
            (
                write("deep/wf/x.yml", FLOW),
                link("hub/workflows", "../deep/wf"),
                link(".github", "hub"),
            ),
            ("workflows", ".github/workflows/x.yml"),
        ),
        (NOTHING, (TASKS, link(".VSCode", "Editor")), ("agent_config", ".vscode/tasks.json")),
        (
            NOTHING,
            (TASKS, link(".vscode", "src"), link(".VSCODE", "editor")),
            ("agent_config", ".vscode/tasks.json"),
        ),
        (NOTHING, (write("env.txt", "x\n"), link(".envrc", "env.txt")), ("agent_config", ".envrc")),
        ((link(".envrc", "env.txt"),), (write("env.txt", "x\n"),), ("agent_config", ".envrc")),
        (
            NOTHING,
            (write("workflows/x.yml", FLOW), link(".github", ".")),
            ("workflows", ".github/workflows/x.yml"),
        ),
        (
            (link("x", "y"), link("y", "x"), link("up/up", "..")),
            (write("owners.txt", "me\n"), link("CODEOWNERS", "owners.txt")),
            ("codeowners", "codeowners"),
        ),
        (
            NOTHING,
            (TASKS, link("app/.vscode", "../editor")),
            ("agent_config", "app/.vscode/tasks.json"),
        ),
    ],
)
async def test_what_a_checkout_resolves_to_is_judged(
    side: TrustedSide,
    base: tuple[Edit, ...],
    change: tuple[Edit, ...],
    found: tuple[str, str],
) -> None:
    report = await judged(side, base, change)
    assert not report.passed
    rule, path = found
    errors = [finding for finding in report.findings if finding.severity == "error"]
    assert {finding.rule for finding in errors} == {rule}
    named = path in errors[0].message or errors[0].path.casefold() == path
    assert named or any(path in finding.message for finding in errors)


@pytest.mark.parametrize(
    ("base", "change"),
    [
        (NOTHING, (write("editor/notes.txt", "x\n"), link(".vscode", "editor"))),
        ((TASKS, link(".vscode", "editor")), (write("src/new.py", "x = 1\n"),)),
        ((TASKS, link(".vscode", "editor")), (link("docs/latest", "../src"),)),
        (NOTHING, (write("a/b.txt", "x\n"), link("a/up", "."), link("again", "a"))),
    ],
)
async def test_links_that_lead_to_nothing_of_the_kind_pass(
    side: TrustedSide, base: tuple[Edit, ...], change: tuple[Edit, ...]
) -> None:
    assert (await judged(side, base, change)).passed


def others(links: dict[str, list[str]], path: str) -> list[str]:
    return [way.path for way in LinkedPaths(links).others(path)]


@pytest.mark.parametrize(
    ("links", "path", "found"),
    [
        ({"a": ["/etc"], "b": ["../../x"]}, "etc", []),
        ({"a": ["b"], "b": ["a"]}, "c", []),
        ({"a": ["x/../b"]}, "b/f", ["a/f"]),
        ({"d/e": ["../f"], "a": ["d/e/../g"]}, "g/h", ["a/h"]),
        ({"a": [""]}, "f", ["a/f"]),
        ({"a": ["b/"]}, "b", ["a"]),
        ({"a": ["b"]}, "bc", []),
        ({"a": ["x", "b"]}, "b/f", ["a/f"]),
    ],
)
def test_a_way_is_what_a_file_system_makes_of_it(
    links: dict[str, list[str]], path: str, found: list[str]
) -> None:
    assert others(links, path) == found


LOOPS = tuple(link(f"l{number}", ".") for number in range(8))
FAR = tuple(link(f"l{number}", f"l{number + 1}/{'x/' * 1900}") for number in range(60))


@pytest.mark.parametrize(("links", "said"), [(LOOPS, "in more ways than"), (FAR, "whose links")])
async def test_links_that_lead_too_far_to_look_are_refused(
    side: TrustedSide, links: tuple[Edit, ...], said: str
) -> None:
    report = await judged(side, NOTHING, (write("new.txt", "x\n"), *links))
    assert not report.passed
    assert all(finding.rule == "symlink" for finding in report.findings)
    assert any(said in finding.message for finding in report.findings)


def test_links_to_deep_places_are_bounded_in_all() -> None:
    most = 500_000
    far = {f"l{number}": [f"l{number + 1}/{'x/' * 1900}"] for number in range(2000)}
    with pytest.raises(TooManyNames):
        LinkedPaths(far, most_names=most)
    links = LinkedPaths({f"l{number}": ["."] for number in range(5)}, most_names=most)
    one = list(links.others(f"{'a/' * 20}0"))
    assert len(one) > 100
    every = (way for number in range(20_000) for way in links.others(f"{'a/' * 20}{number}"))
    with pytest.raises(TooManyNames):
        list(every)


@pytest.mark.slow
def test_many_links_and_long_paths_are_bounded() -> None:
    began = time.process_time()
    loops = {f"l{number}": ["."] for number in range(50)}
    with pytest.raises(TooManyWays):
        others(loops, "f")
    chain = {f"c{number}": [f"c{number + 1}"] for number in range(20_000)}
    assert others(chain, "f") == []
    assert others({"a": ["b"]}, "b/" * 500_000) == []
    assert time.process_time() - began < 5
