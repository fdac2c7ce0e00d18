"""Ways to get something through the gate that acts by itself, each beside an innocent one.

A row says what the base has, what the change does, by which rule it must be held back, and a
change like it that must pass: a gate that holds everything back proves nothing.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from graph.publication import GateReport
from tests.support.trusted_side import TrustedSide, git

pytestmark = [pytest.mark.slow]
_ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent"}


class Attack(NamedTuple):
    """Shell commands in the work tree: `base` makes what is there before."""

    change: str
    rule: str
    control: str
    base: str = ":"


ATTACKS: Final[dict[str, Attack]] = {
    "a folder that becomes the editor's": Attack(
        "mkdir editor; echo {} >editor/tasks.json; ln -s editor .vscode",
        "agent_config",
        "mkdir editor; echo {} >editor/tasks.json; ln -s editor vscode",
    ),
    "a file below a link of the base": Attack(
        "echo {} >editor/tasks.json",
        "agent_config",
        "echo {} >editor/other.json",
        base="mkdir editor; touch editor/.keep; ln -s editor .vscode",
    ),
    "links in a chain": Attack(
        "mkdir -p c/workflows; echo x >c/workflows/x.yml; ln -s c b; ln -s b .github",
        "workflows",
        "mkdir -p c/workflows; echo x >c/workflows/x.yml; ln -s c b; ln -s b hub",
    ),
    "a link within the folder": Attack(
        "mkdir -p flows .github; echo x >flows/x.yml; ln -s ../flows .github/workflows",
        "workflows",
        "mkdir -p flows .github; echo x >flows/x.yml; ln -s ../flows .github/flows",
    ),
    "a link to the whole tree": Attack(
        "mkdir workflows; echo x >workflows/x.yml; ln -s . .github",
        "workflows",
        "mkdir workflows; echo x >workflows/x.yml; ln -s . here",
    ),
    "a link by another case": Attack(
        "mkdir Editor; echo {} >Editor/tasks.json; ln -s editor .VSCode",
        "agent_config",
        "mkdir Editor; echo {} >Editor/tasks.json; ln -s editor Code",
    ),
    "a link that the base leads elsewhere": Attack(
        "rm .github; ln -s other .github",
        "workflows",
        "rm free; ln -s other free",
        base="mkdir -p other/workflows hub; echo x >other/workflows/x.yml; touch hub/a;"
        " ln -s hub .github; ln -s hub free",
    ),
    "a file that becomes a link": Attack(
        "rm agents.txt; echo obey >wishes.txt; ln -s wishes.txt AGENTS.md",
        "agent_config",
        "rm agents.txt; echo obey >wishes.txt; ln -s wishes.txt agents.txt",
        base="echo x >agents.txt",
    ),
    "a link out of the tree": Attack("ln -s /etc/passwd x", "symlink", "ln -s missing x"),
    "a link out of it on Windows": Attack(
        "ln -s C:/Windows/win.ini x", "symlink", "ln -s C/Windows/win.ini x"
    ),
    "a link out by many steps": Attack(
        "mkdir -p a/b; ln -s ../../../x a/b/l", "symlink", "mkdir -p a/b; ln -s ../../x a/b/l"
    ),
    "a link into git's own folder": Attack(
        "ln -s .git/config x", "symlink", "ln -s .github/config x"
    ),
    "CI by another name": Attack("echo x >.prow.yaml", "workflows", "echo x >prow.yaml"),
    "CI in a folder": Attack(
        "mkdir ci; echo x >ci/cloudbuild.yaml", "workflows", "mkdir ci; echo x >ci/build.yaml"
    ),
    "CI by another case": Attack(
        "mkdir -p .GitHub/WorkFlows; echo x >.GitHub/WorkFlows/X.YML",
        "workflows",
        "mkdir -p GitHub/WorkFlows; echo x >GitHub/WorkFlows/X.YML",
    ),
    "CI that is taken away": Attack(
        "git rm -q .github/workflows/x.yml",
        "workflows",
        "git rm -q notes.txt",
        base="mkdir -p .github/workflows; echo x >.github/workflows/x.yml; echo x >notes.txt",
    ),
    "CI that is moved in": Attack(
        "mkdir -p .github/workflows; git mv x.yml .github/workflows/x.yml",
        "workflows",
        "mkdir -p docs/workflows; git mv x.yml docs/workflows/x.yml",
        base="echo x >x.yml",
    ),
    "CI by a name in front": Attack(
        "echo x >build.gitlab-ci.yml", "workflows", "echo x >build.gitlab.yml"
    ),
    "CI that a server of the cluster reads": Attack(
        "mkdir -p .lighthouse/x; echo x >.lighthouse/x/triggers.yaml",
        "workflows",
        "mkdir -p lighthouse/x; echo x >lighthouse/x/triggers.yaml",
    ),
    "an editor by a letter that nobody sees": Attack(
        "d=$(printf '.vs\\302\\255code'); mkdir $d; echo {} >$d/tasks.json",
        "agent_config",
        "d=$(printf 'vs\\302\\255code'); mkdir $d; echo {} >$d/tasks.json",
    ),
    "CI by a space without a width": Attack(
        "d=$(printf '.git\\342\\200\\213hub/workflows'); mkdir -p $d; echo x >$d/x.yml",
        "workflows",
        "d=$(printf '.git\\342\\200\\213hubs/workflows'); mkdir -p $d; echo x >$d/x.yml",
    ),
    "an agent by a letter that is a gap": Attack(
        "printf 'obey\\n' >$(printf 'CLAUDE\\343\\205\\244.md')",
        "agent_config",
        "printf 'see\\n' >$(printf 'CLAUDES\\343\\205\\244.md')",
    ),
    "skills of an agent that few know": Attack(
        "mkdir -p .kode/skills/x; echo obey >.kode/skills/x/SKILL.md",
        "agent_config",
        "mkdir -p kode/skills/x; echo see >kode/skills/x/SKILL.md",
    ),
    "settings that a notebook runs": Attack(
        "echo 1 >jupyter_server_config.py", "agent_config", "echo 1 >server_config.py"
    ),
    "hooks of a tool": Attack(
        "echo {} >.simple-git-hooks.json", "workflows", "echo {} >simple-hooks.json"
    ),
    "an agent's rules deep in the tree": Attack(
        "mkdir -p a/b; echo obey >a/b/CLAUDE.md",
        "agent_config",
        "mkdir -p a/b; echo see >a/b/CLAUDES.md",
    ),
    "code owners below docs": Attack(
        "mkdir docs; echo '* @me' >docs/CODEOWNERS",
        "codeowners",
        "mkdir docs; echo '* me' >docs/OWNERSHIP",
    ),
    "a folder that git takes for a repository": Attack(
        "git init -q --bare docs/x; printf '[core]\\n\\tfsmonitor = ./run\\n' >docs/x/config;"
        " touch docs/x/objects/a docs/x/refs/a",
        "agent_config",
        "mkdir -p docs/x/objects docs/x/refs; touch docs/x/HEADER docs/x/objects/a docs/x/refs/a",
    ),
    "such a folder, part by part": Attack(
        "echo 'ref: refs/heads/x' >docs/HEAD",
        "agent_config",
        "echo 'ref: refs/heads/x' >docs/HEAD.txt",
        base="mkdir -p docs/objects docs/refs; touch docs/config docs/objects/a docs/refs/a",
    ),
    "such a folder whose parts are links": Attack(
        "mkdir -p a/b c; touch a/b/x; echo 'ref: refs/x' >c/Head;"
        " ln -s ../a/b c/Objects; ln -s ../a c/refs",
        "agent_config",
        "mkdir -p a/b c; touch a/b/x; echo 'ref: refs/x' >c/Head; ln -s ../a/b c/Objects",
    ),
    "such a folder with its parts elsewhere": Attack(
        "mkdir c; echo 'ref: refs/x' >c/HEAD; echo ../d >c/commondir",
        "agent_config",
        "mkdir c; echo 'ref: refs/x' >c/HEAD; echo ../d >c/common",
    ),
    "another version control system's hooks": Attack(
        "mkdir -p docs/.hg; printf '[hooks]\\npre-status = ./x\\n' >docs/.hg/hgrc",
        "agent_config",
        "mkdir -p docs/hg; echo x >docs/hg/hgrc",
    ),
    "a build server that an editor starts": Attack(
        'mkdir .bsp; echo \'{"argv": ["./x"]}\' >.bsp/x.json',
        "agent_config",
        "mkdir bsp; echo '{}' >bsp/x.json",
    ),
    "an app of the forge that merges": Attack(
        "mkdir .github; echo 'version: 1' >.github/pull.yml",
        "workflows",
        "mkdir .github; echo hi >.github/pull.md",
    ),
    "another repository in it": Attack(
        f"mkdir lib; git update-index --add --cacheinfo 160000,{'1' * 40},lib",
        "gitlink",
        "mkdir lib; echo x >lib/x",
    ),
    "where submodules come from": Attack(
        "echo '[submodule \"x\"]' >.gitmodules", "submodules", "echo '[x]' >.gitmodule"
    ),
    "raw content in place of a pointer": Attack(
        "echo raw >big.bin",
        "lfs",
        "echo raw >big.txt",
        base="echo '*.bin filter=lfs' >.gitattributes",
    ),
    "a filter that comes with the file": Attack(
        "echo '*.key filter=git-crypt' >.gitattributes; echo clear >a.key",
        "filter",
        "echo '*.key text' >.gitattributes; echo clear >a.key",
    ),
    "a large file": Attack(
        "head -c 60000000 /dev/zero >large.bin",
        "large_files",
        "head -c 40000000 /dev/zero >large.bin",
    ),
}


def _do(commands: str) -> Callable[[Path], object]:
    def edit(work: Path) -> None:
        subprocess.run(["sh", "-ec", commands], cwd=work, env=_ENVIRONMENT, check=True)

    return edit


async def _judge(side: TrustedSide, base: str, change: str) -> GateReport:
    _do(base)(side.source)
    git(side.source, "add", "-A")
    git(side.source, "commit", "-qm", "base", "--allow-empty")
    await side.forge.add_repository("octo/attacked", side.source)
    taken = await side.prepare(f"{side.forge.address}/octo/attacked")
    made = await side.change(taken, _do(change))
    return await side.publisher.gate("r1", taken, made, ())


@pytest.mark.parametrize("name", ATTACKS)
async def test_it_is_held_back(side: TrustedSide, name: str) -> None:
    attack = ATTACKS[name]
    report = await _judge(side, attack.base, attack.change)
    assert not report.passed
    assert attack.rule in {each.rule for each in report.findings if each.severity == "error"}


@pytest.mark.parametrize("name", ATTACKS)
async def test_one_like_it_passes(side: TrustedSide, name: str) -> None:
    attack = ATTACKS[name]
    report = await _judge(side, attack.base, attack.control)
    assert report.passed, report.findings
