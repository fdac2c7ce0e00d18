"""The rules of the house: who may import whom and what, how large files and functions may be."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS: dict[str, set[str]] = {
    "graph": set(),
    "sandbox": {"graph"},
    "forge": {"graph"},
    "roles": {"graph", "sandbox"},
    "runs": {"graph"},
    "api": {"graph", "runs"},
    "wiring": {"graph", "sandbox", "forge", "roles", "runs", "api"},
    "demo": {"graph", "sandbox", "forge", "roles", "runs", "api", "wiring"},
    "coding_agent": {"api", "local", "wiring"},
}
"""What a room may import of the others."""

ORDER: dict[str, tuple[str, ...]] = {
    "graph": (
        *(
            "values comment_answers",
            "environment pictures proxy_settings publication calls secret_forms spending",
        ),
        *(
            "environment_record",
            "errors",
            "files events tasks",
            "request",
            "base_services",
            "preparation",
            "state services",
        ),
        "machine",
    ),
    "sandbox": (
        *("core", "ecosystems", "tree", "egress", "host", "backends.base"),
        *("backends.container", "backends.bubblewrap backends.docker", "setup", "backends.modal"),
        *(
            "trees",
            "selftest",
            "discovery",
            "reports",
            "changes",
            "checks environments",
            "registry",
        ),
        "choose_backend doctor",
    ),
    "forge": (
        *(
            "core",
            "secret_scan",
            "git",
            "github signing",
            "base",
            "gate",
            "text",
            "receipt",
            "triggers",
        ),
        "publish",
    ),
    "roles": (
        *("claude", "tools worktree", "transcript", "turns", "conversation", "briefing"),
        *(
            "base finding_locations",
            "shared_conversation",
            "changing_role",
            "planner coder reviewer fixer setup",
            "registry",
        ),
    ),
    "runs": (
        *(
            "model",
            "store",
            "sql",
            "sqlite shared postgres",
            "deliveries",
            "checkpoints",
            "driving",
        ),
        *("remote_roles", "feed figures janitor", "reader", "service"),
    ),
    "api": ("exit_codes model_name", "terminal client http webhooks", "evaluation", "cli"),
    "wiring": (
        *("setting_types", "setting_groups", "settings"),
        *("logging_setup known_repositories", "configuration"),
        *(
            "merged_pulls data_folder run_store",
            "services deployed",
            "triggers",
            "machine modal_functions",
            "watch environment_trial task_repositories task_grading task_mining verification",
            "modal_platform",
            "doctor",
        ),
    ),
}
"""The sub-rooms and modules of a room from the ground up; a row imports itself and what is above.

Those that share a row do not know each other, but for modules that are no folders.
"""

ENTRIES = ("local.py", "deploy.py")
OURS = {*ROOMS, "local", "deploy", "tests", "benchmarks"}
SETTINGS_READERS = {"wiring", *ENTRIES, "api/cli", "demo", "tests", "benchmarks"}
CLI_ONLY = {"local", "deploy", "wiring", "demo"}
"""What the command imports of ours besides its room's, inside its functions."""

# A library and the product files that may import it; a folder stands for its files.
LIBRARIES: dict[str, set[str]] = {
    "anthropic": {"roles/claude/client.py"},
    "botocore": {"roles/claude/provider.py"},
    "google": {"roles/claude/provider.py"},
    "github": {"forge/github/connection"},
    "jwt": {"forge/github/connection/connection.py"},
    "git": {"forge/git/blobs.py"},
    "modal": {
        *("deploy.py", "wiring", "sandbox/backends/modal"),
        "runs/shared/modal_backend.py",
    },
    "psycopg": {"runs/postgres"},
    "standardwebhooks": {"api/webhooks/standard_endpoint.py"},
    "kingfisher_sdk": {"forge/secret_scan/kingfisher_worker.py"},
    "yaml": {"forge/github/workflow.py", "sandbox/discovery/workflow.py"},
    "langgraph": {"graph", "runs", "wiring", "local.py"},
}
ENVIRONMENT_READERS = {
    "graph/proxy_settings.py",
    *("wiring/settings.py", "test_endpoint.py", "deploy.py"),
    "sandbox/backends/container/supervisor.py",  # that of a container: it runs there
    "coding_agent/__main__.py",  # takes PYTHONPATH out of it
}
STARTS: dict[str, set[str]] = {
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "subprocess": {"run", "Popen", "call", "check_call", "check_output"},
}
"""What starts a process."""
INHERITED = {
    "sandbox/backends/container/supervisor.py": "cwd env",  # a command's own, inside its container
    "sandbox/tree/delete_tree.py": "cwd",  # rm and chmod, which take nothing from there
    "sandbox/egress/suggest_hosts.py": "env",  # package managers are configured by it
    "wiring/doctor/machine_checks.py": "env",  # git of the user's PATH says its version
    "api/terminal/report/diff_pager.py": "cwd env",  # the user's own pager
}
"""What a process that is started takes over from ours, by file."""
MAX_FILE = 350
MAX_FUNCTION = 50
MAX_FOLDER = 15
MAX_FOLDER_OF_ONE_KIND = 25
FOLDERS_OF_ONE_KIND: dict[str, str] = {"sandbox/ecosystems": "ecosystem"}
"""Folders whose files are all of one kind, and the kind that their `__init__` names."""

LONG_FILES: dict[str, str] = {}
PAST_FACES = {
    "runs/checkpoints/checkpoint_serializer.py": "checkpoints name the classes of these modules",
    "coding_agent/__main__.py": "the command line is started by its file",
}
"""Files that name another room's modules, and why."""


def list_files(*patterns: str) -> list[str]:
    """All files of the project, or those of some kinds."""
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return listed.removesuffix("\0").split("\0")


def product_files() -> list[Path]:
    names = [
        name
        for name in list_files("*.py")
        if not name.startswith(("tests/", "benchmarks/", "demo/sample/"))
    ]
    return [ROOT / name for name in names if (ROOT / name).exists()]


FILES = product_files()


@cache
def walked(path: Path) -> list[ast.AST]:
    """Every node of a file."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Each imported module's dotted name, and whether that is late: in a function, or for types."""
    inner = {
        id(node)
        for function in walked(path)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(function)
        for node in ast.walk(function)
    }
    found = []
    for node in walked(path):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in inner) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            found += [(name, id(node) in inner) for name in names]
    return found


def _is_for_types(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str:
    return name_of(path).split("/")[0]


def faults(check: Callable[[Path], Iterator[str]]) -> list[str]:
    """What a check finds in any file."""
    return [f"{name_of(path)}{fault}" for path in FILES for fault in check(path)]


def is_within(name: str, places: Iterable[str]) -> bool:
    """Whether a file is one of these, or lies below one of these folders."""
    return any(name == place or name.startswith(f"{place}/") for place in places)


def is_package(module: str) -> bool:
    return (ROOT / module.replace(".", "/") / "__init__.py").exists()


def is_module(module: str) -> bool:
    return (ROOT / module.replace(".", "/")).with_suffix(".py").exists()


def test_names_of_files_are_plain() -> None:
    """Output that went to the wrong place is no file of the project."""
    assert [name for name in list_files() if not re.fullmatch(r"[\w./-]+", name, re.ASCII)] == []


def test_a_room_imports_only_what_it_may_know() -> None:
    assert not faults(_forbidden_imports)


def _forbidden_imports(path: Path) -> Iterator[str]:
    room, name = room_of(path), name_of(path)
    for module, inside in imports(path):
        top = module.split(".")[0]
        if top not in OURS or top == room:
            continue
        if name == "test_endpoint.py":
            yield f" imports {module}; it takes the standard library only"
        elif name.startswith("api/cli/") and top in CLI_ONLY:
            if not inside:
                yield f" imports {module} at its head"
        elif room in ROOMS:
            if top not in ROOMS[room]:
                yield f" imports {module}"
        elif name in ENTRIES and top in {"demo", "local", "deploy", "tests", "benchmarks"}:
            yield f" imports {module}"


def test_other_rooms_are_known_by_their_faces() -> None:
    assert not faults(_imports_past_a_face)


def _imports_past_a_face(path: Path) -> Iterator[str]:
    for module, _ in imports(path) if name_of(path) not in PAST_FACES else ():
        top = module.split(".")[0]
        if top in ROOMS and top != room_of(path) and is_module(module):
            yield f" imports {module}; take it from the face of its folder"


def test_sub_rooms_keep_their_order() -> None:
    assert not faults(_upward_imports)


def _upward_imports(path: Path) -> Iterator[str]:
    room = room_of(path)
    if room not in ORDER or path.name == "__init__.py":
        return
    own = _place(room, name_of(path).removesuffix(".py").replace("/", "."))
    for module, _ in imports(path):
        if module.split(".")[0] != room or not (is_module(module) or is_package(module)):
            continue
        row, place = _place(room, module)
        beside = row == own[0] and place != own[1] and is_package(f"{room}.{place}")
        if row > own[0] or beside:
            yield f" imports {module}, which stands above it"


def _place(room: str, module: str) -> tuple[int, str]:
    """The row that a module stands in, and the sub-room or file there that it is or belongs to."""
    if module == room:
        return 0, room
    for row, places in enumerate(ORDER[room]):
        for place in places.split():
            if f"{module}.".startswith(f"{room}.{place}."):
                return row, place
    parents = [
        r
        for r, places in enumerate(ORDER[room])
        if f".{module.split('.', 1)[1]}." in "".join(f".{place}" for place in places.split())
    ]
    assert parents, f"{module} has no place in the order of {room}"
    return min(parents), module


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES if path.parent != ROOT}))
def test_a_folder_can_be_overlooked(folder: Path) -> None:
    modules = [path for path in FILES if path.parent == folder and path.name != "__init__.py"]
    kind = FOLDERS_OF_ONE_KIND.get(name_of(folder))
    assert len(modules) <= (MAX_FOLDER_OF_ONE_KIND if kind else MAX_FOLDER)
    assert not kind or kind in (folder / "__init__.py").read_text(encoding="utf-8")


def test_settings_are_read_by_the_wiring_alone() -> None:
    assert not faults(_settings_imports)


def _settings_imports(path: Path) -> Iterator[str]:
    if name_of(path) not in SETTINGS_READERS and room_of(path) not in SETTINGS_READERS:
        found = (module for module, _ in imports(path) if module.startswith("wiring.settings"))
        yield from (f" imports {module}" for module in found)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_imported_where_its_errors_are_mapped(library: str) -> None:
    importers = {
        name_of(path)
        for path in FILES
        for module, _ in imports(path)
        if module.split(".")[0] == library
    }
    allowed = LIBRARIES[library]
    assert not {name for name in importers if not is_within(name, allowed)}


def test_the_environment_is_read_by_the_settings_alone() -> None:
    assert not faults(_environment_reads)


def _environment_reads(path: Path) -> Iterator[str]:
    if name_of(path) in ENVIRONMENT_READERS:
        return
    for node in walked(path):
        if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
            continue
        if node.value.id == "os" and node.attr in ("environ", "getenv", "environb"):
            yield f":{node.lineno} reads the environment"


def test_a_process_takes_over_neither_working_directory_nor_environment() -> None:
    assert not faults(_unsafe_starts)


def _unsafe_starts(path: Path) -> Iterator[str]:
    """A checkout may have filled the one, PYTHONPATH and the like the other, with code."""
    for node in walked(path):
        if isinstance(node, ast.Call) and any(map(_starts, (node.func, *node.args[:1]))):
            named = {keyword.arg for keyword in node.keywords}
            missing = {"cwd", "env"} - named - {*INHERITED.get(name_of(path), "").split()}
            yield from (f":{node.lineno} starts a process without {word}=" for word in missing)


def _starts(called: ast.expr) -> bool:
    """Whether it is what starts a process, called here or handed to what calls it."""
    if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)):
        return False
    return called.attr in STARTS.get(called.value.id, ())


def test_files_and_functions_stay_small() -> None:
    assert not faults(_large_ones)


def _large_ones(path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").count("\n")
    if lines > MAX_FILE and name_of(path) not in LONG_FILES:
        yield f" has {lines} lines"
    for node in walked(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or 0) - node.lineno + 1
            if size > MAX_FUNCTION:
                yield f":{node.lineno} {node.name} has {size} lines"


def test_the_exceptions_are_still_needed() -> None:
    for name in LONG_FILES:
        assert (ROOT / name).read_text(encoding="utf-8").count("\n") > MAX_FILE


def test_nothing_unfinished_and_no_utils() -> None:
    assert not faults(_unfinished)


def _unfinished(path: Path) -> Iterator[str]:
    if path.stem in ("utils", "util", "helpers", "misc", "common"):
        yield " has no name of its own"
    text = path.read_text(encoding="utf-8")
    if found := re.search(r"\b(TODO|FIXME|XXX|NotImplementedError)\b", text):
        yield f": {found.group()}"
