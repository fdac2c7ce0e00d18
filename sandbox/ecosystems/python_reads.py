"""What installing a Python project reads beside its manifests, as far as they name it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sandbox.ecosystems.project import Project
from sandbox.ecosystems.python_needs import read_toml, table_in

_BUILDERS: Final = (
    *(
        "setuptools",
        "setuptools_scm",
        "hatch",
        "flit",
        "pdm",
        "poetry",
        "poetry-dynamic-versioning",
    ),
    *("uv", "versioningit", "pbr", "scikit-build"),
)
_PATH: Final = re.compile(r"[\w./-]++")
_DOCUMENT: Final = re.compile(
    r"(?:readme|licen[cs]e|copying|notice|authors|contributors|change(?:log|s)|history|news)\b.*"
    r"|.*\.(?:md|rst|adoc)",
    re.IGNORECASE,
)
_ATTRIBUTE: Final = re.compile(r"attr\s*[=:]\s*[\"']?([\w.]+)")
_INCLUDED: Final = re.compile(r"(?m)^[ \t]*+(?:-r|-c|--requirement|--constraint)[= ]*([^\s#]+)")
_IMPORTED: Final = re.compile(r"(?m)^[ \t]*+(?:from|import)[ \t]++(\w++)")
_VERSION_MODULES: Final = (
    "_version.py",
    "version.py",
    "__version__.py",
    "__about__.py",
    "about.py",
)


def python_reads(project: Project) -> Iterator[str]:
    """Ends of paths. Documents alter nothing that is tested, and are none of them."""
    pyproject = read_toml(project.text("pyproject.toml"))
    legacy = project.text("setup.py", "setup.cfg")
    tables = [
        table_in(pyproject, name) for name in ("project", "build-system", "dependency-groups")
    ]
    tables += [table_in(pyproject, "tool", name) for name in _BUILDERS]
    lists = [project.text(name) for name in project.names if name.endswith((".txt", ".in"))]
    named = [
        *(
            word
            for text in _texts([*tables, legacy])
            for word in _PATH.findall(text)
            if "." in word.strip(".")
        ),
        *(word for text in lists for word in _INCLUDED.findall(text)),
        *_version_files(pyproject, legacy),
        *(f"{module}.py" for module in _IMPORTED.findall(project.text("setup.py"))),
    ]
    for word in dict.fromkeys(named):
        if not _DOCUMENT.fullmatch(word.rpartition("/")[2]):
            yield word.removeprefix("./").lstrip("/")


def _version_files(pyproject: Mapping[str, Any], legacy: str) -> Iterator[str]:
    """Modules that a version is taken from."""
    dynamic = table_in(pyproject, "tool", "setuptools", "dynamic", "version").get("attr")
    attributes = [dynamic] if isinstance(dynamic, str) else []
    for attribute in (*attributes, *_ATTRIBUTE.findall(legacy)):
        module = attribute.rpartition(".")[0].replace(".", "/")
        if module:
            yield from (f"{module}.py", f"{module}/__init__.py")
    asked = table_in(pyproject, "project")
    if "version" in str(asked.get("dynamic")) or "version" in legacy:
        yield from _VERSION_MODULES
        named = table_in(pyproject, "tool", "flit", "module").get("name", asked.get("name"))
        if "flit" in str(table_in(pyproject, "build-system")) and isinstance(named, str):
            module = named.replace("-", "_").replace(".", "/")
            yield from (f"{module}.py", f"{module}/__init__.py")


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """Every text in tables and lists; keys are none."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
