"""What a Python project says that its tests need: extras, groups, lists, and names."""

import ast
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement

from sandbox.ecosystems.project import Project
from sandbox.ecosystems.toml_text import load_toml
from sandbox.ecosystems.tox_ini import settled, testing_sections

EXTRAS: Final = ("project", "optional-dependencies")
_MOST = 100
_LONGEST = 300
_TESTING = re.compile(
    r"(?:.*[-_.])?(?:tests?|testing|dev|devel|develop|development|ci|check|checks|unit|pytest|qa"
    r"|lint|linting|linters?|typing|types|mypy)(?:[-_.].*)?",
    re.IGNORECASE,
)
_DOCUMENTS = re.compile(r"docs?|documentation|release|publish|bench(?:mark)?s?", re.IGNORECASE)
_LIST = re.compile(
    r"(?:requirements/)?(?:(?:dev|tests?|testing|ci)[-_.]?requirements"
    r"|requirements(?:[-_.](?:dev|devel|development|tests?|testing|ci|all))?)\.txt"
    r"|requirements/(?:dev|devel|development|tests?|testing|ci|base|all|main)\.txt"
    r"|tests?/(?:[\w.-]*[-_.])?requirements(?:[-_.](?:dev|tests?|testing|ci|all))?\.txt"
)
_HATCH_TEST = ("pytest", "pytest-mock", "pytest-rerunfailures", "pytest-xdist", "coverage[toml]")
"""What Hatch itself brings to that environment, without what puts tests in another order."""
_EXTRA = re.compile(r"\.(?:/)?\[([\w\s,.-]+)\]")


@dataclass(frozen=True)
class Needs:
    """All by name. `extras` and `groups` are of the project itself, `lists` files of requirements.

    `packages` are requirements as pip reads them.
    """

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.extras or self.groups or self.lists or self.packages)


def read_toml(text: str) -> Mapping[str, Any]:
    """The table of a file; empty where it is none."""
    try:
        return load_toml(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def table_in(value: Any, *names: str) -> Mapping[str, Any]:
    """An inner table; empty where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def speaks_of_tests(name: str) -> bool:
    """Whether a group or an extra of that name is for testing or developing."""
    return _TESTING.fullmatch(name) is not None and _DOCUMENTS.fullmatch(name) is None


def own_requirements(pyproject: Mapping[str, Any], extras: Iterable[str]) -> Iterator[str]:
    """What the project itself, and these of its extras, require."""
    own = table_in(pyproject, "project").get("dependencies")
    for listed in (own, *map(table_in(pyproject, *EXTRAS).get, extras)):
        yield from texts(listed)


def python_needs(project: Project) -> Needs:
    """What the project's files ask for, each thing once."""
    pyproject = read_toml(project.text("pyproject.toml"))
    found = [
        _own(pyproject, project),
        _of_poetry(pyproject),
        _of_pdm(pyproject),
        *_of_hatch(project),
        *_of_tox(project, pyproject),
        _of_nox(project.text("noxfile.py")),
        _of_pipfile(read_toml(project.text("Pipfile"))),
        Needs(lists=tuple(_lists(project))),
    ]
    return _checked(project, pyproject, found)


def _checked(project: Project, pyproject: Mapping[str, Any], found: list[Needs]) -> Needs:
    """Only groups and lists that are there."""
    groups = table_in(pyproject, "dependency-groups")
    known = {_normal(name): name for name in groups}
    return Needs(
        extras=_once(extra for needs in found for extra in needs.extras),
        groups=_once(
            known[_normal(name)]
            for needs in found
            for name in needs.groups
            if _normal(name) in known
        ),
        lists=_once(name for needs in found for name in needs.lists if project.has(name)),
        packages=_once(
            text.strip()
            for needs in found
            for text in needs.packages
            if len(text) < _LONGEST and _is_named(text)
        ),
    )


def _is_named(text: str) -> bool:
    """Whether it is a requirement that an index has, and no address."""
    try:
        return not Requirement(text).url
    except InvalidRequirement:
        return False


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_MOST]


def _own(pyproject: Mapping[str, Any], project: Project) -> Needs:
    extras = [*table_in(pyproject, *EXTRAS)]
    legacy = project.text("setup.py", "setup.cfg")
    if "extras_require" in legacy:
        extras += re.findall(r"['\"]?\b(tests?|testing|dev)\b['\"]?\s*[:=]", legacy)
    tests_require = re.search(r"tests_require\s*=\s*(\[[^\]]{0,2000}\])", legacy)
    return Needs(
        extras=tuple(filter(speaks_of_tests, extras)),
        groups=tuple(filter(speaks_of_tests, table_in(pyproject, "dependency-groups"))),
        packages=tuple(_literal_texts(tests_require[1])) if tests_require else (),
    )


def _literal_texts(text: str) -> list[str]:
    try:
        return texts(ast.literal_eval(text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []


def _lists(project: Project) -> Iterator[str]:
    names = list(project.names)
    for folder in ("requirements", "test", "tests"):
        inner = Project(project.repository, f"{project.folder}/{folder}".lstrip("/"))
        names += [f"{folder}/{name}" for name in inner.names]
    yield from sorted(name for name in names if _LIST.fullmatch(name))


def _of_poetry(pyproject: Mapping[str, Any]) -> Needs:
    """Poetry's groups in its own forms of versions."""
    poetry = table_in(pyproject, "tool", "poetry")
    groups = {
        name: table_in(group, "dependencies")
        for name, group in table_in(poetry, "group").items()
        if speaks_of_tests(name)
    }
    tables = [table_in(poetry, "dev-dependencies"), *groups.values()]
    extras = tuple(filter(speaks_of_tests, table_in(poetry, "extras")))
    return Needs(extras=extras, packages=tuple(poetry_requirements(*tables)))


def poetry_requirements(*tables: Mapping[str, Any]) -> Iterator[str]:
    """Requirements as pip reads them, of tables in the form of Poetry and Pipenv."""
    for table in tables:
        yield from filter(None, (_poetry_requirement(*each) for each in table.items()))


def _poetry_requirement(name: str, version: Any) -> str:
    """Empty where it is none that an index has."""
    extras = ""
    if isinstance(version, list):
        version = version[0] if version else "*"
    if isinstance(version, Mapping):
        if not isinstance(version.get("version", "*"), str) or {"path", "git", "url"} & set(
            version
        ):
            return ""
        named = texts(version.get("extras"))
        extras, version = f"[{','.join(named)}]" if named else "", version.get("version", "*")
    if not isinstance(version, str) or name == "python":
        return ""
    bounds = ",".join(filter(None, map(_poetry_bound, version.split(","))))
    return f"{name}{extras}{bounds}"


def _poetry_bound(text: str) -> str:
    text = text.strip()
    caret = re.fullmatch(r"([~^])\s*(\d+(?:\.\d+)*)\S*", text)
    if caret is None:
        return (
            "" if text in ("", "*") else f"=={text}" if text[0].isdigit() else text.replace(" ", "")
        )
    numbers = [int(part) for part in caret[2].split(".")]
    kept = 1 if caret[1] == "^" else min(2, len(numbers))
    if caret[1] == "^":
        kept = next((at + 1 for at, number in enumerate(numbers) if number), len(numbers))
    upper = [*numbers[: kept - 1], numbers[kept - 1] + 1]
    return f">={caret[2]},<{'.'.join(map(str, upper))}"


def _of_pipfile(pipfile: Mapping[str, Any]) -> Needs:
    tables = [table_in(pipfile, name) for name in ("packages", "dev-packages")]
    return Needs(packages=tuple(poetry_requirements(*tables)))


def _of_pdm(pyproject: Mapping[str, Any]) -> Needs:
    groups = table_in(pyproject, "tool", "pdm", "dev-dependencies")
    named = (texts(packages) for name, packages in groups.items() if speaks_of_tests(name))
    return Needs(packages=tuple(text for packages in named for text in packages))


def hatch_environments(project: Project) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Names and tables of those that tests run in."""
    pyproject, hatch = (
        read_toml(project.text("pyproject.toml")),
        read_toml(project.text("hatch.toml")),
    )
    for envs in (table_in(pyproject, "tool", "hatch", "envs"), table_in(hatch, "envs")):
        for name in ("default", "hatch-test", "test", "tests", "dev"):
            yield name, table_in(envs, name)


def _of_hatch(project: Project) -> Iterator[Needs]:
    for name, env in hatch_environments(project):
        brought = _HATCH_TEST if name == "hatch-test" and env else ()
        named = (*texts(env.get("dependencies")), *texts(env.get("extra-dependencies")))
        yield Needs(
            extras=tuple(texts(env.get("features"))),
            groups=tuple(texts(env.get("dependency-groups"))),
            packages=(*named, *brought),
        )


def _of_tox(project: Project, pyproject: Mapping[str, Any]) -> Iterator[Needs]:
    """Of the environments that run tests, in each of tox's forms."""
    toml = tox_table(project, pyproject)
    required = frozenset(_required(pyproject))
    for text in tox_texts(project, toml):
        yield from _of_tox_ini(text, required)
    for env in (table_in(toml, "env_run_base"), table_in(toml, "env", "test")):
        yield Needs(
            extras=tuple(texts(env.get("extras"))),
            groups=tuple(texts(env.get("dependency_groups"))),
        )
        yield _of_words(texts(env.get("deps")))


def tox_table(project: Project, pyproject: Mapping[str, Any]) -> Mapping[str, Any]:
    """What tox is told in TOML."""
    return read_toml(project.text("tox.toml")) or table_in(pyproject, "tool", "tox")


def tox_texts(project: Project, toml: Mapping[str, Any]) -> tuple[str, str]:
    """What it is told in its older form."""
    legacy = toml.get("legacy_tox_ini")
    return project.text("tox.ini"), legacy if isinstance(legacy, str) else ""


def _required(pyproject: Mapping[str, Any]) -> Iterator[str]:
    """Names of what the project itself, and its extras for tests, require."""
    extras = table_in(pyproject, *EXTRAS)
    for text in own_requirements(pyproject, filter(speaks_of_tests, extras)):
        yield re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0].lower()


def _of_tox_ini(text: str, required: Collection[str]) -> Iterator[Needs]:
    for section in testing_sections(text):
        yield Needs(
            extras=tuple(settled(section.get("extras", ""))),
            groups=tuple(settled(section.get("dependency_groups", ""))),
        )
        yield _of_words(settled(section.get("deps", ""), required))


def _of_words(words: Iterable[str]) -> Needs:
    """Requirements as they are given to pip, or in a file of them."""
    extras: list[str] = []
    lists: list[str] = []
    packages: list[str] = []
    for word in words:
        text = re.sub(r"\{(?:toxinidir|tox_root)\}/?", "", word).split(" #")[0].strip()
        if listed := re.fullmatch(r"(?:-r|--requirement)[= ]*(\S+)", text):
            lists.append(listed[1].removeprefix("./"))
        elif named := _EXTRA.search(text):
            extras += re.findall(r"[\w.-]+", named[1])
        elif text and not text.startswith(("-", ".", "/", "#")) and "{" not in text:
            packages.append(text)
    return Needs(tuple(extras), (), tuple(lists), tuple(packages))


def _of_nox(text: str) -> Needs:
    """What sessions that test install, as far as it is written out."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return Needs()
    sessions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    given = [
        words
        for session in sessions
        if re.match(r"tests?|unit|pytest|dev", session.name)
        for words in _installed(session)
    ]
    groups: list[str] = []
    named: list[str] = []
    for words in given:
        for option, word in zip(("", *words), words, strict=False):
            if match := re.fullmatch(r"--(?:only-)?group=(\S+)", word):
                groups.append(match[1])
            elif option in ("--group", "--only-group"):
                groups.append(word)
            else:
                named.append(f"-r {word}" if option in ("-r", "--requirement") else word)
    return replace(_of_words(named), groups=tuple(groups))


def _installed(session: ast.FunctionDef) -> Iterator[list[str]]:
    """The words of each call that installs, or that lets uv do so."""
    for node in ast.walk(session):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        given = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        words = [word for word in given if isinstance(word, str)]
        if node.func.attr == "install":
            yield words
        elif node.func.attr in ("run", "run_install") and words[:2] == ["uv", "sync"]:
            yield words[2:]
