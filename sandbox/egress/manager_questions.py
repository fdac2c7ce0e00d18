"""What package managers are asked of the addresses that they use."""

import sys
from dataclasses import dataclass
from typing import Final

# pip says what is configured, and what it would use where nothing is.
_PIP: Final = """\
from pip._internal.configuration import Configuration
from pip._internal.models.index import PyPI
made = Configuration(isolated=False)
made.load()
said = {key.split(".")[-1]: value for key, value in made.items()}
print("PIP_INDEX_URL", said.get("index-url", ""))
print("PIP_EXTRA_INDEX_URL", *said.get("extra-index-url", "").split())
if not said.get("index-url"):
    print(PyPI.simple_url, "https://" + PyPI.file_storage_domain)
"""
# uv has no command that says it: its variables, and its files of the user and the system.
_UV: Final = """\
import os, pathlib, tomllib
home = os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config"
first = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL") or ""
more = [*os.environ.get("UV_INDEX", "").split(), *os.environ.get("UV_EXTRA_INDEX_URL", "").split()]
for file in (pathlib.Path(home, "uv", "uv.toml"), pathlib.Path("/etc/uv/uv.toml")):
    try:
        table = tomllib.loads(file.read_text())
    except (OSError, ValueError):
        continue
    for index in table.get("index", []):
        if not index.get("default"):
            more.append(index["url"])
        first = first or (index["url"] if index.get("default") else "")
    first = first or table.get("index-url", "")
    more += table.get("extra-index-url", [])
print("UV_DEFAULT_INDEX", first)
print("UV_INDEX", *(each.rpartition("=")[2] for each in more))
"""
# The files of Cargo and Maven say it, and what they use where those say nothing is in no file.
_CARGO: Final = """\
command -v cargo >/dev/null || exit 0
cd "${CARGO_HOME:-$HOME/.cargo}" 2>/dev/null || cd /
cat config.toml config 2>/dev/null | grep -E '^[[:space:]]*(registry|index)[[:space:]]*='
cat config.toml config 2>/dev/null | grep -q '^[[:space:]]*replace-with' ||
  echo https://index.crates.io https://static.crates.io
"""
_GEM: Final = """\
command -v gem >/dev/null || exit 0
sources=$(gem sources) && echo "$sources"
case $sources in *https://rubygems.org*) echo https://index.rubygems.org ;; esac
"""
_JAVA: Final = """\
command -v java >/dev/null || exit 0
cat "$HOME/.m2/settings.xml" 2>/dev/null | grep -E '<url>' ||
  echo https://repo.maven.apache.org
echo https://plugins.gradle.org https://plugins-artifacts.gradle.org
echo https://services.gradle.org https://downloads.gradle.org
"""


@dataclass(frozen=True)
class Question:
    """What a package manager is asked; a bare answer is the value of all these variables.

    Else each line is the name of a variable, and its value.
    """

    words: tuple[str, ...]
    variables: tuple[str, ...] = ()
    presumes: bool = False
    """Whether the answer names what is used where nothing is configured, on any machine.

    Hosts of it that have no address here are not spoken of.
    """


PIP: Final = Question(("python3", "-I", "-c", _PIP))
UV: Final = Question((sys.executable, "-I", "-c", _UV))
CARGO: Final = Question(("sh", "-c", _CARGO), presumes=True)
GEM: Final = Question(("sh", "-c", _GEM), presumes=True)
JAVA: Final = Question(("sh", "-c", _JAVA), presumes=True)
QUESTIONS: Final = (
    PIP,
    UV,
    Question(
        ("npm", "config", "get", "registry"),
        ("npm_config_registry", "YARN_REGISTRY", "YARN_NPM_REGISTRY_SERVER", "BUN_CONFIG_REGISTRY"),
    ),
    Question(("go", "env", "GOPROXY"), ("GOPROXY",)),
    CARGO,
    GEM,
    JAVA,
)
