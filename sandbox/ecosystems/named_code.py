"""How a file elsewhere names the code of a package, as patterns for grep -E."""

import json
import re
from collections.abc import Iterator

_NO_NAME = re.compile(r"[^A-Za-z0-9_@/-]")
_END = "([^A-Za-z0-9_]|$)"


def python_names(folder: str, path: str, _manifest: str) -> Iterator[str]:
    """An import of the top module that the file belongs to, or of the folder as a module."""
    module = path.removeprefix("src/").partition("/")[0].removesuffix(".pyi").removesuffix(".py")
    for name in (module, folder.replace("/", ".")):
        if all(map(str.isidentifier, name.split("."))):
            shown = name.replace(".", "[.]")
            yield rf"^[[:space:]]*(from|import)[[:space:]](.*[, .])?{shown}{_END}"


def javascript_names(folder: str, _path: str, manifest: str) -> Iterator[str]:
    """The package's name in quotes, or its folder at an end or within a path."""
    yield f"['\"/]{_escaped(folder.rpartition('/')[2])}['\"/]"
    if name := _package_name(manifest):
        yield f"['\"]{_escaped(name)}['\"/]"


def ruby_names(_folder: str, path: str, _manifest: str) -> Iterator[str]:
    """The first name of the file's path below `lib`, as it is required."""
    name = path.removeprefix("lib/").partition("/")[0].removesuffix(".rb")
    yield f"require.*['\"/]{_escaped(name)}(['\"/]|[.]rb)"


def _package_name(manifest: str) -> str:
    try:
        read = json.loads(manifest)
    except (ValueError, RecursionError):
        return ""
    name = read.get("name") if isinstance(read, dict) else None
    return name if isinstance(name, str) else ""


def _escaped(name: str) -> str:
    return _NO_NAME.sub(lambda found: f"[{found[0]}]" if found[0].isascii() else ".", name)
