"""The set-up that a repository's manifests and lock files ask for, where nobody names another."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from graph import ANY_FILE, Environment, EnvironmentCommand, FolderCommand, LeftOut
from sandbox.discovery.declared_services import line_for, suggested_lines
from sandbox.discovery.find_checks import find_checks
from sandbox.discovery.hints import find_hints, system_packages, variables_of_ci
from sandbox.discovery.repository_config import config_of
from sandbox.ecosystems.asked_versions import AskedVersion, asked_versions
from sandbox.ecosystems.base import Ecosystem
from sandbox.ecosystems.install_script import Attempt, install_script, read_step
from sandbox.ecosystems.install_step import InstallStep, is_example
from sandbox.ecosystems.project import Project, RepositoryFiles
from sandbox.ecosystems.registry import ECOSYSTEMS, MANIFESTS

_MOST_STEPS: Final = 60
_MOST_READ: Final = 500
_MOST_HOSTS: Final = 20
_MOST_NAMED: Final = 12
_MOST_SERVICES: Final = 4
_LONGEST_IMAGE: Final = 100
_BESIDE_TESTS: Final = (
    "The repository's CI runs it beside its tests. To have it here, add to `.coding-agent.toml`:"
)
_OF_THE_SYSTEM: Final = (
    "The repository's CI installs these by apt-get. Set-up installs no packages of the system: have"
    " them on this machine, or in the image of CODING_AGENT_SANDBOX_IMAGE."
)


@dataclass(frozen=True)
class PlannedStep:
    """A step of set-up, by the name under which it says how it ended."""

    name: str
    folder: str
    ecosystem: str
    step: InstallStep
    version: str = ""
    """What the base would be released as."""

    @property
    def script(self) -> str:
        return install_script(self.step, self.name, self.version)

    @property
    def parts(self) -> "tuple[PlannedStep, ...]":
        """What it is made of, as steps of their own."""
        return tuple(
            replace(self, name=f"{self.name}.{at}", step=replace(part, builds=self.step.builds))
            for at, part in enumerate(self.step.parts)
        )

    @property
    def shell(self) -> str:
        """The script as it is run from the top of the repository."""
        return FolderCommand(command=self.script, folder=self.folder).shell


@dataclass(frozen=True)
class SetupPlan:
    """All steps, outer folders first. `left_out` were given up already."""

    steps: tuple[PlannedStep, ...] = ()
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    suggested: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @property
    def all_reads(self) -> tuple[str, ...]:
        """What other commands that install these projects read."""
        return (ANY_FILE,) if any(each.step.builds for each in self.steps) else self.reads

    @property
    def environment(self) -> Environment:
        """What is run, before it is known how it ends."""
        commands = (
            EnvironmentCommand(command=each.step.command, folder=each.folder, script=each.script)
            for each in self.steps
        )
        return self._environment(tuple(commands), self.left_out)

    def ended(self, attempts: Mapping[str, Attempt]) -> Environment:
        """What was run, how it ended, and what is left out of it."""
        read = [
            read_step(each.step, each.name, each.folder, each.version, attempts)
            for each in self.steps
        ]
        left = tuple(part for _, parts in read for part in parts)
        return self._environment(tuple(command for command, _ in read), (*self.left_out, *left))

    def alike(self, commands: Sequence[EnvironmentCommand]) -> Environment:
        """Other commands, with what they find where they make the places that the plan would."""
        text = "\n".join(each.command for each in commands)
        planned = {each.step.command for each in self.steps}
        named = {
            folder: tuple(path for path in paths if path.removesuffix("/bin") in text)
            for folder, paths in self.paths.items()
        }
        return Environment(
            commands=tuple(commands),
            reads=self.all_reads,
            hosts=self.hosts,
            paths={folder: paths for folder, paths in named.items() if paths},
            variables=self.variables if any(c.command in planned for c in commands) else {},
        )

    def without(self, shell: str, why: str) -> "SetupPlan":
        """Without a step that failed or was stopped; a step of parts is each part for itself.

        Without one that is needed the project has none of the ecosystem's steps.
        """
        bad = next((each for each in self.steps if each.shell == shell), None)
        if bad is None:
            return SetupPlan(left_out=(*self.left_out, LeftOut(what="set-up", why=why)))
        if bad.step.parts:
            at = self.steps.index(bad)
            return replace(self, steps=(*self.steps[:at], *bad.parts, *self.steps[at + 1 :]))
        kept = [
            each
            for each in self.steps
            if each != bad
            and not (
                bad.step.needed and (each.folder, each.ecosystem) == (bad.folder, bad.ecosystem)
            )
        ]
        left = LeftOut(what=bad.step.what, why=why.replace(shell, bad.step.command))
        return replace(self, steps=tuple(kept), left_out=(*self.left_out, left))

    def _environment(
        self, commands: tuple[EnvironmentCommand, ...], left_out: tuple[LeftOut, ...]
    ) -> Environment:
        return Environment(
            commands=commands,
            left_out=left_out,
            suggested=self.suggested,
            paths=self.paths,
            variables=self.variables,
            reads=self.reads,
            hosts=self.hosts,
        )


NOTHING_TO_SET_UP: Final = SetupPlan()


def plan_setup(repository: RepositoryFiles, version: str = "") -> SetupPlan:
    """Steps that install what the projects of the repository need, of outer folders first."""
    steps: list[PlannedStep] = []
    paths: defaultdict[str, list[str]] = defaultdict(list)
    variables: dict[str, str] = {}
    reads: dict[str, None] = {}
    hosts: dict[str, None] = {}
    for project in _worth_it(repository):
        for ecosystem in sorted(ECOSYSTEMS, key=_comes_late):
            plan = ecosystem.plan(project)
            for step in plan.steps:
                name = str(len(steps))
                steps.append(PlannedStep(name, project.folder, ecosystem.name, step, version))
            if plan.steps:
                paths[project.folder] += plan.paths
                variables = {**dict(plan.variables), **variables}
                reads |= dict.fromkeys(plan.reads)
                hosts |= dict.fromkeys(plan.hosts)
    known = {folder: tuple(found) for folder, found in paths.items() if found}
    return SetupPlan(
        steps=tuple(steps[:_MOST_STEPS]),
        paths=known,
        variables={**variables_of_ci(find_hints(repository)), **variables},
        left_out=tuple(_not_to_be_had(repository)),
        suggested=_suggested(repository),
        reads=tuple(reads) if len(reads) <= _MOST_READ else (ANY_FILE,),
        hosts=tuple(hosts)[:_MOST_HOSTS],
    )


def versions_asked_for(repository: RepositoryFiles) -> tuple[AskedVersion, ...]:
    """Versions of languages that the projects ask for which are set up."""
    projects = _worth_it(repository)
    return tuple(asked for project in projects for asked in asked_versions(project))


def _not_to_be_had(repository: RepositoryFiles) -> Iterator[LeftOut]:
    """What the repository's own automation has, and set-up does not bring."""
    hints = find_hints(repository)
    if packages := system_packages(hints):
        more = f" and {len(packages) - _MOST_NAMED} more" if len(packages) > _MOST_NAMED else ""
        yield LeftOut(what=f"{', '.join(packages[:_MOST_NAMED])}{more}", why=_OF_THE_SYSTEM)
    if not config_of(repository).services:
        for hint in [hint for hint in hints if hint.what == "ci_service"][:_MOST_SERVICES]:
            why = f"{_BESIDE_TESTS} `{line_for(hint.text)}`, where it is installed."
            yield LeftOut(what=f"the service {hint.text[:_LONGEST_IMAGE]}", why=why)


def _suggested(repository: RepositoryFiles) -> tuple[str, ...]:
    """Lines of a `.coding-agent.toml` for the services that CI has beside its tests."""
    hints = find_hints(repository)
    return suggested_lines(hint.text for hint in hints if hint.what == "ci_service")


def _comes_late(ecosystem: Ecosystem) -> bool:
    """Builds of other languages call the package managers of JavaScript."""
    return ecosystem.name != "javascript"


def _worth_it(repository: RepositoryFiles) -> Sequence[Project]:
    """Examples and documents are none, unless no other has tests."""
    projects = repository.projects(MANIFESTS)
    tested = {each.folder for each in find_checks(repository) if each.kind == "test"}
    alone = tested and all(map(is_example, tested))
    shown = tested if alone else frozenset()
    return [each for each in projects if each.folder in shown or not is_example(each.folder)]
