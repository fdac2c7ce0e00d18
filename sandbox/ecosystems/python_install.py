"""Setting a Python project up: a virtual environment, the project itself, and what tests need."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from shlex import quote
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

from sandbox.ecosystems.asked_versions import asked_version
from sandbox.ecosystems.install_step import (
    PARTLY,
    InstallPlan,
    InstallStep,
    first_of,
    hosts_of,
    joined,
)
from sandbox.ecosystems.project import Project
from sandbox.ecosystems.python_needs import (
    EXTRAS,
    Needs,
    hatch_environments,
    own_requirements,
    poetry_requirements,
    python_needs,
    read_toml,
    speaks_of_tests,
    table_in,
    texts,
    tox_table,
    tox_texts,
)
from sandbox.ecosystems.python_reads import python_reads
from sandbox.ecosystems.tox_ini import tox_variables, variables_of_tests

VENVS: Final = "/home/agent/venvs"
_TOOL_PLUGINS: Final = {
    "--cov": "pytest-cov",
    "asyncio_mode": "pytest-asyncio",
    "--asyncio-mode": "pytest-asyncio",
    "DJANGO_SETTINGS_MODULE": "pytest-django",
    "--numprocesses": "pytest-xdist",
    "-n auto": "pytest-xdist",
    "--timeout": "pytest-timeout",
    "--randomly": "pytest-randomly",
    "--mypy": "pytest-mypy",
    "env_files": "pytest-dotenv",
}
_MODULES: Final = {"pytest-xdist": "xdist", "pytest-dotenv": "pytest_dotenv.plugin"}
_COMPILED: Final = re.compile(
    r"ext[-_]modules|Extension\(|cythonize|cffi_modules|rust_extensions|setuptools[-_]rust"
    r"|tool\.hatch\.build\S*\.hooks|cmdclass"
)
_IMPORTED: Final = re.compile(r"(?m)^[ \t]*+(?:from|import)[ \t]++(\w++)")
_INDEX_OPTION: Final = re.compile(
    r"(?m)^[ \t]*+(?:-i|-f|--index-url|--extra-index-url|--find-links)[= ][ \t]*+(https?://\S+)"
)
_COMPILERS: Final = ("maturin", "scikit_build_core.build", "mesonpy", "py_build_cmake.build")
_SYSTEM_PIP: Final = "env PATH=/usr/local/bin:/usr/bin:/bin python3 -m pip"
"""Knows options in lists that uv does not."""
_TELL_PYTHONS: Final = (
    'echo "Here: $(uv python list --only-installed 2>/dev/null | cut -d" " -f1 | sort -u | xargs)."'
    " Put one into CODING_AGENT_TOOL_PATHS, or let CODING_AGENT_SETUP_HOSTS name the host"
    " from which uv brings it."
)
_OLD_BUILD: Final = "'setuptools<81' wheel 'setuptools-scm<9'"
_OTHER_VERSION: Final = f"echo 'Another version is installed.'; exit {PARTLY}"
_MOST: Final = 100
_LONGEST: Final = 300


def venv_of(folder: str) -> str:
    """Where the virtual environment of a project lies."""
    slug = re.sub(r"[^\w.-]+", "-", folder).strip("-.") or "root"
    return f"{VENVS}/{slug}"


def plan_python(project: Project, runners: tuple[str, ...] = ()) -> InstallPlan:
    """A virtual environment with the project, what its tests need, and these runners."""
    venv = venv_of(project.folder)
    pip = f"uv pip install --python {venv}"
    pyproject = read_toml(project.text("pyproject.toml"))
    needs = python_needs(project)
    builds = _builds(project, pyproject)
    if not (builds or needs or runners or _required(pyproject, needs)):
        return InstallPlan()
    steps = [_make_venv(venv, project, pyproject)]
    unlocked = _unlocked(venv, pip, builds, needs, pyproject)
    locked = tuple(_locked(project, venv, pip, builds, pyproject))
    if locked:
        command, instead = first_of(locked)
        parts = (unlocked,) if unlocked else ()
        steps.append(InstallStep("what the lock file names", command, instead, parts))
    elif unlocked:
        steps.append(unlocked)
    steps += [_runner(venv, pip, name) for name in (*runners, *_plugins(project, runners))]
    if "pytest" in runners:
        steps.append(_fitting_pytest(venv, pip))
    if _compiles(project, pyproject):
        steps = [replace(step, builds=True) for step in steps]
    return InstallPlan(
        tuple(steps),
        (f"{venv}/bin",),
        tuple(_variables(project, pyproject).items()),
        reads=tuple(python_reads(project)),
        hosts=hosts_of(_indexes(project, pyproject)),
    )


def _variables(project: Project, pyproject: Mapping[str, Any]) -> dict[str, str]:
    """What tox, or else Hatch, sets for tests."""
    toml = tox_table(project, pyproject)
    tables = [table_in(env, "env-vars") for _, env in hatch_environments(project)]
    found = [
        *map(tox_variables, tox_texts(project, toml)),
        *map(variables_of_tests, (table_in(toml, "env_run_base", "set_env"), *tables)),
    ]
    return {name: value for said in reversed(found) for name, value in said.items()}


def _indexes(project: Project, pyproject: Mapping[str, Any]) -> Iterator[str]:
    """Addresses that the project names for packages."""
    uv = table_in(pyproject, "tool", "uv")
    sources = table_in(pyproject, "tool", "poetry").get("source")
    for listed in (uv.get("index"), sources, table_in(pyproject, "tool", "pdm").get("source")):
        for named in listed if isinstance(listed, list) else ():
            yield str(table_in({"of": named}, "of").get("url", ""))
    yield from (str(uv.get("index-url", "")), *texts(uv.get("extra-index-url")))
    lists = "\n".join(project.text(name) for name in project.names if name.endswith(".txt"))
    yield from _INDEX_OPTION.findall(lists)


def _compiles(project: Project, pyproject: Mapping[str, Any]) -> bool:
    """Whether installing builds from sources, or runs code of the repository beside manifests."""
    build = table_in(pyproject, "build-system")
    if str(build.get("build-backend")) in _COMPILERS or build.get("backend-path"):
        return True
    imported = _IMPORTED.findall(project.text("setup.py"))
    if any(project.has(f"{name}/__init__.py", f"src/{name}/__init__.py") for name in imported):
        return True
    return _COMPILED.search(project.text("setup.py", "pyproject.toml")) is not None


def _make_venv(venv: str, project: Project, pyproject: Mapping[str, Any]) -> InstallStep:
    """With the Python that a file names, else one that fits, which uv may bring."""
    asked = table_in(pyproject, "project").get("requires-python")
    fits = quote(asked) if isinstance(asked, str) and re.fullmatch(r"[\d.,<>=!~* ]+", asked) else ""
    pinned = ".".join(asked_version(project, "python").split(".")[:2])
    what = f"Python {asked}" if fits else "Python"
    tries = [
        f"{once}uv venv --quiet {seed}--clear --python {python} {venv}"
        for once, python in (("UV_HTTP_RETRIES=0 ", pinned), ("", fits or "python3"))
        for seed in ("--seed ", "")
        if python
    ]
    tell = f"env -u VIRTUAL_ENV uv python find {fits}; {_TELL_PYTHONS}; false" if fits else ""
    return InstallStep(what, tries[0], (*tries[1:], *filter(None, [tell])), needed=True)


def _builds(project: Project, pyproject: Mapping[str, Any]) -> bool:
    """Whether the folder itself is a package that can be installed."""
    poetry = table_in(pyproject, "tool", "poetry")
    if (
        poetry.get("package-mode") is False
        or table_in(pyproject, "tool", "uv").get("package") is False
    ):
        return False
    return bool(
        project.has("setup.py")
        or table_in(pyproject, "project")
        or poetry
        or ("[metadata]" in project.text("setup.cfg"))
    )


def _unlocked(
    venv: str, pip: str, builds: bool, needs: Needs, pyproject: Mapping[str, Any]
) -> InstallStep | None:
    """One resolution of all; where that fails, each thing for itself."""
    extras = f"[{','.join(needs.extras)}]" if needs.extras else ""
    words = [
        *([f"-e {quote(f'.{extras}')}"] if builds else map(quote, _required(pyproject, needs))),
        *(f"--group {name}" for name in needs.groups),
        *(f"-r {quote(name)}" for name in needs.lists),
        *map(quote, needs.packages),
    ]
    if not any(words):
        return None
    command = f"{pip} {' '.join(filter(None, words))}"
    parts = tuple(_parts(venv, pip, builds, needs, pyproject))
    return InstallStep("the project and what its tests need", command, (), parts)


def _parts(
    venv: str, pip: str, builds: bool, needs: Needs, pyproject: Mapping[str, Any]
) -> Iterator[InstallStep]:
    if builds:
        old = joined(f"{pip} {_OLD_BUILD}", f"{pip} --no-build-isolation -e .")
        yield InstallStep("the project", f"{pip} -e .", (old,))
        for extra in needs.extras:
            # What it names can be had without building the project, where that is written out.
            listed = f"{pip} -r pyproject.toml --extra {quote(extra)}"
            with_it = f"{pip} -e {quote(f'.[{extra}]')}"
            named = table_in(pyproject, *EXTRAS).get(extra)
            each = tuple(_each(pip, texts(named)))
            yield InstallStep(f"the extra `{extra}`", with_it, (listed,), each)
    if required := _required(pyproject, Needs() if builds else needs):
        # Also where the project itself cannot be built.
        yield _list(pip, "what the project requires", required)
    for group in needs.groups:
        each = tuple(_each(pip, texts(table_in(pyproject, "dependency-groups").get(group))))
        yield InstallStep(f"the group `{group}`", f"{pip} --group {group}", (), each)
    for name in needs.lists:
        by_pip = f"{_SYSTEM_PIP} --python {venv} install -r {quote(name)}"
        yield InstallStep(
            f"`{name}`", f"{pip} -r {quote(name)}", (by_pip,), tuple(_lines(pip, name))
        )
    if needs.packages:
        yield _list(pip, "what tests need", needs.packages)


def _required(pyproject: Mapping[str, Any], needs: Needs) -> tuple[str, ...]:
    """What the project and these of its extras require."""
    poetry = table_in(pyproject, "tool", "poetry", "dependencies")
    named = [*own_requirements(pyproject, needs.extras), *poetry_requirements(poetry)]
    return tuple(filter(_any_version, named[:_MOST]))


def _list(pip: str, what: str, requirements: Sequence[str]) -> InstallStep:
    command = f"{pip} {' '.join(map(quote, requirements))}"
    return InstallStep(what, command, (), tuple(_each(pip, requirements)))


def _each(pip: str, requirements: Iterable[str]) -> Iterator[InstallStep]:
    """Each requirement for itself; in another version, where that which is asked for has no way."""
    for text in requirements:
        if any_version := _any_version(text):
            other = f"{pip} {quote(any_version)} && {{ {_OTHER_VERSION}; }}"
            instead = (other,) if Requirement(text).specifier else ()
            yield InstallStep(f"`{text}`", f"{pip} {quote(text)}", instead)


def _any_version(requirement: str) -> str:
    """The requirement without a version; empty of what is none."""
    try:
        read = Requirement(requirement if len(requirement) < _LONGEST else "")
    except InvalidRequirement:
        return ""
    read.specifier = SpecifierSet()
    return str(read)


def _lines(pip: str, name: str) -> Iterator[InstallStep]:
    """A list line by line: one that cannot be had does not keep the others away."""
    any_version = (
        'asked=${line%%;*}; case "$asked" in *[@/:]*) false;; *[=\\<\\>~]*)'
        f' {pip} --quiet "${{asked%%[=<>~! ]*}}${{line#"$asked"}}";; *) false;; esac'
    )
    each = (
        f"sed -e 's/[[:space:]]#.*//' -e '/^[[:space:]]*\\(#\\|-\\|$\\)/d' {quote(name)}"
        f' | {{ code=1; while IFS= read -r line; do {pip} --quiet "$line" && code={PARTLY} ||'
        f' {{ {any_version} && code={PARTLY} && left="$left, $line (another version is)"; }} ||'
        ' left="$left, $line"; done; [ -z "$left" ] || { echo "Not installed: ${left#, }";'
        " exit $code; }; }"
    )
    yield InstallStep(f"lines of `{name}`", each)


def _locked(
    project: Project, venv: str, pip: str, builds: bool, pyproject: Mapping[str, Any]
) -> Iterator[str]:
    """Commands that install what a lock file fixes, the fullest first."""
    itself = f"{pip} --no-deps -e ." if builds else ""
    listed = f"{pip} --no-deps -r /tmp/locked.txt"
    if project.has("uv.lock"):
        here = f"UV_PROJECT_ENVIRONMENT={venv} UV_PYTHON={venv}"  # whatever `.python-version` says
        sync = f"{here} uv sync --frozen --inexact --all-packages"
        groups = _flags(
            "--group", filter(speaks_of_tests, table_in(pyproject, "dependency-groups"))
        )
        extras = _flags(
            "--extra",
            filter(speaks_of_tests, table_in(pyproject, *EXTRAS)),
        )
        # A lock file may be older than what is declared: that is added, the rest stays as locked.
        newer = f" && {{ {pip} -r pyproject.toml --all-extras || true; }}" if builds else ""
        yield f"{sync} --all-extras{groups}{newer}"
        yield f"{sync}{extras}{groups}"
        yield f"{sync}"
    elif project.has("poetry.lock"):
        for options in (" --all-groups --all-extras", f"{_poetry_groups(pyproject)}", ""):
            export = (
                "uv tool run --quiet --from poetry --with poetry-plugin-export poetry export"
                f" --quiet --without-hashes{options} --output /tmp/locked.txt"
            )
            yield joined(
                export, f"{pip} --no-deps -r /tmp/locked.txt", itself, "rm /tmp/locked.txt"
            )
    elif project.has("pdm.lock"):
        export = "uv tool run --quiet pdm export --no-hashes --group :all --output /tmp/locked.txt"
        yield joined(export, listed, itself, "rm /tmp/locked.txt")
    elif project.has("Pipfile.lock"):
        export = "uv tool run --quiet pipenv requirements --dev >/tmp/locked.txt"
        yield joined(export, listed, itself, "rm /tmp/locked.txt")


def _flags(option: str, names: Iterable[str]) -> str:
    return "".join(f" {option} {name}" for name in names if speaks_of_tests(name))


def _poetry_groups(pyproject: Mapping[str, Any]) -> str:
    groups = table_in(pyproject, "tool", "poetry", "group")
    named = ",".join(filter(speaks_of_tests, groups))
    return f" --with {named}" if named else ""


def _runner(venv: str, pip: str, name: str) -> InstallStep:
    """A runner that nothing brought yet."""
    module = _MODULES.get(name, name.replace("-", "_"))
    find = f'{venv}/bin/python -c "import {module}"'
    return InstallStep(f"`{name}`", f"{find} || {pip} {name}")


def _fitting_pytest(venv: str, pip: str) -> InstallStep:
    """An older pytest, where the plugins that were installed cannot be loaded by the newest."""
    python = f"{venv}/bin/python"
    loads = f"{python} -m pytest --help >/dev/null"
    # Apart from the project's settings and `conftest.py`; without pytest there is nothing to say.
    command = f'cd && {{ ! {python} -c "import pytest" 2>/dev/null || {loads}; }}'
    older = (f"cd && {pip} 'pytest<{major}' && {loads}" for major in (9, 8))
    return InstallStep("a pytest that loads its plugins", command, tuple(older))


def _plugins(project: Project, runners: tuple[str, ...]) -> Iterator[str]:
    """Plugins that pytest's configuration speaks of."""
    if "pytest" not in runners:
        return
    settings = read_toml(project.text("pyproject.toml"))
    options = table_in(settings, "tool", "pytest", "ini_options")
    said = " ".join([str(options.get("addopts", "")), *texts(options.get("addopts")), *options])
    said += project.text("pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")
    yield from dict.fromkeys(name for mark, name in _TOOL_PLUGINS.items() if mark in said)
