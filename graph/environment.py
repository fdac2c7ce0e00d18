"""What a base's trees need before its checks can run, and what of it could be had."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal

from graph.values import FolderCommand, Value

SetupSource = Literal["caller", "repository", "rule", "model"]
SetupStatus = Literal["ok", "failed", "left_out", "skipped"]
ANY_FILE: Final = "*"
VENVS: Final = "/home/agent/venvs/"
"""Where set-up makes Python environments, outside of the repository."""


class EnvironmentCommand(FolderCommand):
    """One command of set-up and how it ended; `output` holds its last lines where it failed.

    `script` is what is run for it: the command with what is tried where it fails.
    """

    source: SetupSource = "rule"
    status: SetupStatus = "ok"
    duration_ms: int = 0
    output: str = ""
    script: str = ""


class LeftOut(Value):
    """A part of set-up that could not be had, and why: a sentence, or the last lines of a tool."""

    what: str
    why: str


LACKS_SERVICE: Final = "The service "
"""How the output of a command begins whose service does not run."""


class ServicePort(Value):
    """Where a service listens on the sandbox's own loopback."""

    name: str
    port: int


class Service(ServicePort):
    """A program that runs beside a command; `stop` is the signal that ends it.

    It can be used once its port is open and `ready`, a shell command, ends with 0.
    """

    command: str
    ready: str = ""
    stop: Literal["TERM", "INT"] = "TERM"


class Environment(Value):
    """What makes a new tree of a base ready.

    `services` run beside checks and the commands of roles. `image` is what its trees are made of,
    where that is not the operator's, `image_name` as the repository names it. `suggested` are lines
    of a `.coding-agent.toml` that may bring what is left out. `tools` are versions by name. `paths`
    go before `PATH` for commands in a folder and below it (empty: the top), `variables` to every
    command. `reads` are ends of paths that set-up reads beside manifests and lock files, or
    ANY_FILE. `key` is a digest of the commands and of what they read of the base; `kept`: what they
    make was there from before. `maker` is the run whose model turn found the commands, or empty;
    `key_of_rules` the key without those. `fixed`: a change that touches what set-up reads gets none
    of its own.
    """

    commands: tuple[EnvironmentCommand, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    tools: Mapping[str, str] = {}
    paths: Mapping[str, tuple[str, ...]] = {}
    variables: Mapping[str, str] = {}
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    image: str = ""
    image_name: str = ""
    suggested: tuple[str, ...] = ()
    kept: bool = False
    key: str = ""
    key_of_rules: str = ""
    fixed: bool = False
    maker: str = ""

    @property
    def asked(self) -> bool:
        """Whether the caller or the repository named the commands, in place of rules."""
        return any(command.source in ("caller", "repository") for command in self.commands)

    @property
    def setup(self) -> tuple[FolderCommand, ...]:
        """The commands that make a tree ready, in their order."""
        return tuple(
            FolderCommand(command=command.script or command.command, folder=command.folder)
            for command in self.commands
            if command.status == "ok" or command.script
        )

    @property
    def recipe(self) -> tuple[FolderCommand, ...]:
        """Those of the commands that a model found."""
        return tuple(
            FolderCommand(command=command.command, folder=command.folder)
            for command in self.commands
            if command.source == "model"
        )

    def without_recipe(self) -> "Environment":
        """What the commands before those of a model make."""
        rest = tuple(command for command in self.commands if command.source != "model")
        return self.model_copy(
            update={"commands": rest, "key": self.key_of_rules, "key_of_rules": "", "maker": ""}
        )

    @property
    def made(self) -> tuple[FolderCommand, ...]:
        """The commands that did their work, as a reader would run them."""
        return tuple(
            FolderCommand(command=command.command, folder=command.folder)
            for command in self.commands
            if command.status == "ok"
        )

    def paths_in(self, folder: str) -> tuple[str, ...]:
        """What goes before `PATH` in a folder: its own, else of the nearest above that has any."""
        while folder not in self.paths and folder:
            folder = folder.rpartition("/")[0]
        return self.paths.get(folder, ())

    def venvs_in(self, folder: str) -> list[str]:
        """The Python environments whose programs a folder's commands find."""
        found = [path for path in self.paths_in(folder) if path.startswith(VENVS)]
        return [path.removesuffix("/bin") for path in found]

    def lacking(self, what: str, why: str) -> "Environment":
        """The same without a part that could not be had."""
        left_out = (*self.left_out, LeftOut(what=what, why=why))
        return self.model_copy(update={"left_out": left_out})


NO_ENVIRONMENT: Final = Environment()
NO_VARIABLES: Final[Mapping[str, str]] = {}
KEPT_S: Final = 30 * 86_400.0


class Recipe(Value):
    """Commands that a model found where rules do not suffice, or why it found none.

    They follow the rules' own commands. `key` names what those read, `run_id` the run that paid for
    it, at `made_at` (Unix seconds). `reached` is how far the main check then came.
    """

    key: str
    run_id: str
    made_at: float
    commands: tuple[FolderCommand, ...] = ()
    failure: str = ""
    reached: int = 0

    def holds(self, now: float) -> bool:
        """Whether it is to be used still: what it installs may have newer versions."""
        return 0 <= now - self.made_at < KEPT_S


def own_settings(
    environment: Environment, checks: Iterable[str], variables: Mapping[str, str] = NO_VARIABLES
) -> str:
    """The text of a `.coding-agent.toml` that asks for the same set-up, and for these checks.

    `variables` are those of the environment that such a file may set.
    """
    text = f"setup = {_array(_lasting(environment))}validate = {_array(checks)}"
    if environment.image_name:
        text += f"image = {_string(environment.image_name)}\n"
    text += "".join(f"# {line}  # where it is installed\n" for line in environment.suggested)
    if variables:
        rows = (f"{name} = {_string(value)}\n" for name, value in sorted(variables.items()))
        text += f"\n[env]\n{''.join(rows)}"
    return text


def _lasting(environment: Environment) -> Iterator[str]:
    """Commands that hold by themselves: where parts alone did, what tried the parts."""
    for made in environment.commands:
        if made.status == "ok":
            text = made.script if made.output and made.script else made.command
            yield FolderCommand(command=text, folder=made.folder).shell


def _array(texts: Iterable[str]) -> str:
    """An array of TOML: its basic strings are JSON's but for one escape."""
    rows = [f"  {_string(text)}," for text in texts]
    return ("\n".join(["[", *rows, "]"]) if rows else "[]") + "\n"


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
