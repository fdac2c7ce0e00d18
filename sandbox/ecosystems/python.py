"""Python: pytest, unittest, tox, nox; ruff, flake8, mypy, pyright; pip, uv and poetry."""

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import PurePosixPath

from sandbox.ecosystems.base import Ecosystem, Mark, ReportReader, any_line
from sandbox.ecosystems.install_step import NOTHING_TO_INSTALL, InstallPlan
from sandbox.ecosystems.make import make_recipe
from sandbox.ecosystems.named_code import python_names
from sandbox.ecosystems.project import Project
from sandbox.ecosystems.python_install import plan_python
from sandbox.ecosystems.python_needs import hatch_environments, read_toml, table_in, texts
from sandbox.ecosystems.python_runners import (
    ENDS_FIRST,
    is_idle,
    probe,
    pytest_failures,
    select,
    tell,
    through_all,
    told,
    unittest_failures,
    unittest_ran,
)
from sandbox.ecosystems.tox_ini import plain_command, tox_command

_REQUIREMENTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "tests-requirements.txt",
    "Pipfile",
)
_SETTINGS = r"setup\.cfg|tox\.(ini|toml)|\.?pytest\.(ini|toml)|[^/]*requirements[^/]*\.txt"
_MANIFESTS = rf"pyproject\.toml|setup\.py|noxfile\.py|Pipfile|{_SETTINGS}"
_ROOTS = re.compile(
    rf"(?:.*/)?(?:pyproject\.toml|setup\.py|noxfile\.py|Pipfile)"
    rf"|(?!(?:.*/)?(?:tests?|testing)/[^/]*$)(?:.*/)?(?:{_SETTINGS})",
    re.DOTALL,
)
"""Settings and lists alone make no project of a folder of tests."""
_SCRIPTS = tuple(f"{folder}run{link}tests.py" for folder in ("", "tests/") for link in ("", "_"))
"""Names of a project's own runner, such as that of Django's packages."""
_DJANGO = re.compile(r"(?:\bdjango|\bdjango-admin|\bmanage\.py) test\b")
_PYTEST_SETTINGS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_TEST_FOLDERS = ("tests", "test", "testing")
_MOST_NAMED = 20
_MENTION_PYTEST = ("pyproject.toml", "setup.cfg", "tox.ini", "noxfile.py", *_REQUIREMENTS)
_RUNNERS = ("pytest", "ruff", "flake8", "mypy")


def _tests(project: Project) -> Iterator[str]:
    """The project's own runner, or what runs it in an environment that it makes."""
    if _belongs_to_outer(project):
        return
    files = project.owned(_ROOTS)
    in_src = any(name.startswith("src/") and name.endswith(".py") for name in files)
    path = "PYTHONPATH=src " if in_src else ""
    if _uses_pytest(project, files):
        below = _configured_below(project)
        inner = (f"{below}/{name}" for name in _PYTEST_SETTINGS if below)
        named = ("pyproject.toml", "setup.cfg", "tox.ini", *_PYTEST_SETTINGS, *inner)
        settings = project.text(*named)
        where = f" {below}" if below else _named_otherwise(project)
        yield f"{path}python3 -m pytest -q{through_all(settings)}{where}"
    elif project.has("manage.py"):
        yield f"{path}python3 manage.py test"
    elif script := next(filter(project.has, _SCRIPTS), ""):
        yield f"{path}python3 {script}"
    elif _DJANGO.search(command := tox_command(project)):
        yield command  # unittest alone makes no databases
    elif not _DJANGO.search(make_recipe(project, "test")):  # that is run as it is
        yield from _other_tests(project, files, path)


def _other_tests(project: Project, files: Sequence[str], path: str) -> Iterator[str]:
    """By unittest, else as Hatch, tox or nox would run them."""
    if commands := list(_unittest_commands(project, files)):
        yield from (path + command for command in commands)
    elif command := _hatch_command(project) or tox_command(project):
        yield command
    elif project.owned(_ROOTS, "doctest"):
        yield f"{path}python3 -m pytest -q --doctest-modules"
    elif _uses_tox(project):
        yield "tox"
    elif project.has("noxfile.py"):
        yield "nox"


def _belongs_to_outer(project: Project) -> bool:
    """Whether it is a folder of tests with settings alone."""
    folder = f"{project.folder}/"
    return bool(project.folder) and not any(_ROOTS.fullmatch(folder + n) for n in project.names)


def _configured_below(project: Project) -> str:
    """The folder of tests that has pytest's settings, where the project itself has none."""
    if project.has(*_PYTEST_SETTINGS) or re.search(
        r"(?m)^\[(?:tool\.pytest|tool:pytest|pytest)\b",
        project.text("pyproject.toml", "setup.cfg", "tox.ini"),
    ):
        return ""
    found = ((folder, name) for folder in _TEST_FOLDERS for name in _PYTEST_SETTINGS)
    return next((folder for folder, name in found if project.has(f"{folder}/{name}")), "")


def _named_otherwise(project: Project) -> str:
    """Files of tests that pytest looks into only where they are named, if there are no others."""
    kinds = ("pytest", "test functions", "unittest")
    files = {name for kind in kinds for name in project.owned(_ROOTS, kind)}
    bases = {name: PurePosixPath(name).name for name in files}
    if any(fnmatch(base, "test_*.py") or base.endswith("_test.py") for base in bases.values()):
        return ""
    if "python_files" in project.text("pyproject.toml", "setup.cfg", "tox.ini", *_PYTEST_SETTINGS):
        return ""
    named = [name for name in sorted(files) if re.fullmatch(r"(?:\w[\w-]*/)*tests?\.py", name)]
    return "".join(f" {name}" for name in named[:_MOST_NAMED])


def _lints(project: Project) -> Iterator[str]:
    """Of those that it configures."""
    pyproject, setup = project.text("pyproject.toml"), project.text("setup.cfg")
    if project.has("ruff.toml", ".ruff.toml") or _section(pyproject, r"tool\.ruff\b"):
        yield "python3 -m ruff check ."
    if project.has(".flake8") or _section(f"{setup}\n{project.text('tox.ini')}", "flake8]"):
        yield "python3 -m flake8"
    mypy = project.text("mypy.ini", ".mypy.ini")
    if mypy.strip() or _section(pyproject, r"tool\.mypy]") or _section(setup, "mypy]"):
        yield "python3 -m mypy" if _names_what_mypy_checks(project) else "python3 -m mypy ."
    if project.has("pyrightconfig.json") or _section(pyproject, r"tool\.pyright]"):
        yield "pyright"


def _names_what_mypy_checks(project: Project) -> bool:
    """Of settings alike in other sections, such as `packages = find:`, mypy reads none."""
    pyproject = read_toml(project.text("pyproject.toml"))
    ini = project.text("mypy.ini", ".mypy.ini", "setup.cfg")
    own = "\n".join(text for text in re.split(r"(?m)^\[", ini) if text.startswith("mypy]"))
    keys = {*table_in(pyproject, "tool", "mypy"), *re.findall(r"(?m)^[ \t]*+(\w++)[ \t]*+=", own)}
    return not keys.isdisjoint(("files", "packages", "modules"))


def _section(text: str, name: str) -> bool:
    return re.search(rf"(?m)^\[{name}", text) is not None


def _uses_pytest(project: Project, files: Sequence[str]) -> bool:
    return (
        bool(project.owned(_ROOTS, "pytest"))
        or bool(project.owned(_ROOTS, "test functions") and not project.owned(_ROOTS, "unittest"))
        or project.has(*_PYTEST_SETTINGS)
        or any(PurePosixPath(name).name == "conftest.py" for name in files)
        or re.search(r"\bpytest\b", project.text(*_MENTION_PYTEST)) is not None
    )


def _hatch_command(project: Project) -> str:
    """The script `test` of an environment of Hatch; empty where there is no plain one.

    Hatch itself would make the environment anew, with a network.
    """
    for _, env in hatch_environments(project):
        script = table_in(env, "scripts").get("test")
        lines = [script] if isinstance(script, str) else texts(script)
        if command := plain_command("\n".join(lines)):
            return command
    return ""


def _uses_tox(project: Project) -> bool:
    return (
        project.has("tox.toml")
        or _section(project.text("tox.ini"), r"(?:tox|testenv)]")
        or _section(project.text("setup.cfg"), "tox:tox]")
        or _section(project.text("pyproject.toml"), r"tool\.tox\b")
    )


def _unittest_commands(project: Project, files: Sequence[str]) -> Iterator[str]:
    """One command for each place that holds unittest's tests and each pattern of their names."""
    packages = {PurePosixPath(name).parent for name in files if name.endswith("/__init__.py")}
    found: set[tuple[PurePosixPath, bool, str]] = set()
    for name in project.owned(_ROOTS, "unittest"):
        path = PurePosixPath(name)
        for pattern in ("test*.py", "*_test.py"):
            if fnmatch(path.name, pattern) and re.fullmatch(r"\w[\w./-]*", name):
                found.add((*_start(path.parent, packages), pattern))
                break
    for start, is_package, pattern in sorted(found):
        where = f" -s {start}" if start.name else ""
        below_src = len(start.parts) > 1 and start.parts[0] == "src"
        base = "src" if below_src else start.parent  # packages without a file, too
        top = f" -t {base}" if is_package else ""
        named = "" if pattern == "test*.py" else f" -p '{pattern}'"
        yield f"python3 -m unittest discover{where}{top}{named}"


def _start(folder: PurePosixPath, packages: set[PurePosixPath]) -> tuple[PurePosixPath, bool]:
    """The outermost package that a folder belongs to, or the folder itself, which is none."""
    if folder not in packages:
        return folder, False
    while folder.parent in packages:
        folder = folder.parent
    return folder, True


_VERSIONS = """\
python3 - 2>/dev/null <<'END'
import platform
from importlib import metadata
print("python", platform.python_version())
for name in ("pytest", "tox", "nox", "django", "ruff", "flake8", "mypy", "pyright"):
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        continue
END"""


def _plan(project: Project) -> InstallPlan:
    """With the runners and linters that its checks call. A workspace is set up as a whole."""
    if project.is_part("pyproject.toml", "[tool.uv.workspace]") or _belongs_to_outer(project):
        return NOTHING_TO_INSTALL
    called = " ".join((*_tests(project), *_lints(project)))
    return plan_python(project, tuple(name for name in _RUNNERS if f" -m {name}" in called))


_INTERPRETER = r"(?:/usr/(?:local/)?bin/)?python[\d.]*"
_VENV = re.compile(rf"{_INTERPRETER} -m venv (?P<folder>\S+)")
_INSTALLS = re.compile(
    rf"(?:{_INTERPRETER} -m )?pip[\d.]* install .+|/usr/(?:local/)?bin/pip[\d.]* install .+"
    rf"|{_VENV.pattern}"
    r"|uv sync(?: -\S+)*|poetry install(?: -\S+)*"
)
_LOCAL = re.compile(r"['\"]?\.{0,2}/|['\"]?\.+(?:\[|$)")
_TAKES_PATH = ("-e", "--editable", "-r", "--requirement", "-c", "--cert", "--target")


def _installs_only(command: str, before: Sequence[str]) -> bool:
    """From a folder, pip copies the code as it is; linked (`-e`) it sees what changes later.

    A pip of the repository's own may do anything; one in an environment that was just made is pip.
    """
    for made in filter(None, map(_VENV.fullmatch, before)):
        command = command.removeprefix(f"{made['folder'].rstrip('/')}/bin/")
    words = command.split()
    copied = (word for option, word in pairwise(words) if option not in _TAKES_PATH)
    return _INSTALLS.fullmatch(command) is not None and not (
        "install" in words and any(map(_LOCAL.match, copied))
    )


_MODULE = re.compile(
    r"(?P<folder>(?:.+?/)??)(?P<name>\w+)(?:/__init__)?\.(?:py|pyc|(?:[^/]+\.)?so)"
)
_LIBRARY = sys.stdlib_module_names | {
    *("iniconfig", "packaging", "pygments", "exceptiongroup", "tomli", "colorama", "coverage"),
}


def _shadows(path: str, starts: Collection[str]) -> bool:
    """A module of the standard library's name, of what pytest needs, or of a plugin's name."""
    match = _MODULE.fullmatch(path)
    if match is None or not (match["name"] in _LIBRARY or match["name"].startswith("pytest_")):
        return False
    return any(match["folder"].removesuffix(inner) in starts for inner in ("", "src/", "lib/"))


PYTHON = Ecosystem(
    name="python",
    manifests=_MANIFESTS,
    locks=r"(uv|poetry|pdm)\.lock|Pipfile\.lock",
    read=r"\.?mypy\.ini|hatch\.toml|requirements\.txt|(dev|tests?)-requirements\.txt"
    r"|requirements-(dev|tests?)\.txt",
    seen=r"\.?ruff\.toml|\.flake8|pyrightconfig\.json|manage\.py|run_?tests\.py|[^/]*requirements[^/]*\.(txt|in)"
    r"|requirements/[^/]*\.(txt|in)",
    layout=r"__init__\.py|conftest\.py|src/[^/]*\.py",
    marks=(
        Mark("pytest", "*.py", "^[[:space:]]*(import|from)[[:space:]]+pytest"),
        Mark("test functions", "*test*.py", "^(async )?def test_"),
        Mark("unittest", "*.py", "unittest.*TestCase"),
        Mark("doctest", "*.py", "^[[:space:]]*>>> "),
    ),
    tests=_tests,
    lints=_lints,
    test_calls=r"\b(?:pytest|py\.test|unittest|tox|nox)\b",
    lint_calls=r"ruff|flake8|mypy|pyright|pylint|black|isort|bandit|pre-commit",
    reports=(
        ReportReader(
            "pytest",
            pytest_failures,
            any_line(r"(?:=+ )?(?:\d+ \w+, )*[1-9]\d* (?:passed|failed)\b.* in [\d.]+s"),
        ),
        ReportReader("unittest", unittest_failures, unittest_ran),
    ),
    counts=r"(?:=+ )?((?:\d+ (?:subtests )?\w+, )*+\d+ (?:subtests )?\w+) in [\d.]+s\b.*"
    r"|Ran (\d+ tests?) in .*",
    failures_begin=r"=+ (?:FAILURES|ERRORS) =+|={70}",
    lists_failed=r"=+ short test summary info =+",
    cut_short=any_line(r"!{3,} .*(?:stopping after \d+ failure|Interrupted: )"),
    stops_at_first=any_line(r"!{3,} .*stopping after \d+ failure"),
    ends_first=ENDS_FIRST,
    idle=is_idle,
    noise=r"[.sxXFEu]{2,200}(?: +\[ *\d+%\])?|\S+\.py [.sxXFE]++ +\[ *\d+%\]"
    r"|.* (?:\.\.\. ok|PASSED +\[ *\d+%\])",
    select=select,
    tell=tell,
    told=told,
    unloaded=r"ERROR \S+\.py(?: - .*)?|.*unittest\.loader\._FailedTest.*",
    probe=probe,
    lacking=r"(?:E +)?ModuleNotFoundError: (No module named \S++).*"
    r"|\S+/python[\d.]*: (No module named \S++)"
    r"|.*: error: (unrecognized arguments: .*)|E +(fixture '\w++' not found)"
    r"|.*FileNotFoundError: .*(No such file or directory: '[\w+-]++')",
    plan=_plan,
    versions=_VERSIONS,
    installs_only=_installs_only,
    install_reads=r"[^/]*requirements[^/]*\.(?:txt|in)|requirements/.*\.(?:txt|in)"
    r"|[^/]*constraints[^/]*\.txt|pyproject\.toml|hatch\.toml|uv\.toml"
    r"|setup\.(?:py|cfg)|Pipfile|MANIFEST\.in|\.python-version",
    sources=r"[^/]+\.pyi?",
    names_of=python_names,
    definition=r"(?:async\s++)?def\s|class\s",
    test_files=r"conftest\.py",
    test_line=r"[ \t]*(async )?def test[A-Z_0-9]",
    tests_in_source=r"\s*+>>> ",
    config=r"conftest\.py|\.?pytest\.(?:ini|toml)|tox\.(?:ini|toml)|noxfile\.py|setup\.cfg"
    r"|pyproject\.toml|\.?ruff\.toml|\.?mypy\.ini|\.flake8|pyrightconfig\.json|\.coveragerc"
    r"|[^/]+\.(?:dist|egg)-info/.*"
    # In place of the runner's own module, where it is started from the folder that this lies in.
    r"|(?:_?pytest|unittest|pluggy|sitecustomize|usercustomize|tox|nox|mypy|ruff|flake8)(?:\.py|/.*)",
    shadows=_shadows,
    test_definition=r"\s*+(?:async\s++)?def\s++(test\w*+)\s*+\(",
    assertion=r"\bassert\w*\b|\bself\.fail\b|\bpytest\.raises\b",
    skip=r"@(?:\w++\.)*+(?:skip|skipIf|skipUnless|skipif|xfail|expectedFailure)\b"
    r"|\b(?:pytest\.(?:skip|xfail|importorskip)|self\.skipTest)\s*+\(",
    suppression=r"#\s*+(?:noqa|(?:type|mypy|pyright):\s*+ignore|ruff:\s*+noqa|pragma:\s*+no cover"
    r"|nosec|pylint:\s*+disable)",
    runner_access=r"\bos\._exit\b|\b_pytest\b|\b(?:unittest|pytest)\.\w[\w.]*+\s*+=[^=]",
)
