"""`.coding-agent.toml`: what a repository itself says of its set-up and its checks."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from graph import Environment, LeftOut, Service
from sandbox.discovery.declared_env import read_env
from sandbox.discovery.declared_services import read_services
from sandbox.discovery.hints import devcontainer_images
from sandbox.ecosystems.project import RepositoryFiles
from sandbox.ecosystems.toml_text import load_toml

CONFIG_FILE: Final = ".coding-agent.toml"
_MOST_COMMANDS: Final = 20
_LONGEST_COMMAND: Final = 4000
_COMMANDS: Final = ("setup", "validate")
_KEYS: Final = (*_COMMANDS, "env", "services", "image")
_IMAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}")
_MOST_NOTES: Final = 5
_NAMED: Final = ", ".join(f"`{key}`" for key in _KEYS)
_LONGEST_REASON: Final = 200


@dataclass(frozen=True)
class RepositoryConfig:
    """What the file does not say is None; `notes` say what of it is left out.

    `variables` are its own, and those by which clients know its `services`. `image` is what
    it asks for, there or in a `devcontainer.json`, and `image_name` its name where `image` is an
    id; `left_out` says what of this cannot be had.
    """

    setup: tuple[str, ...] | None = None
    validate: tuple[str, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    services: tuple[Service, ...] = ()
    image: str = ""
    image_name: str = ""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

    def declare(self, environment: Environment) -> Environment:
        """The environment with what the repository declares of it."""
        new = tuple(left for left in self.left_out if left not in environment.left_out)
        return environment.model_copy(
            update={
                "variables": {**environment.variables, **self.variables},
                "services": self.services,
                "image": self.image,
                "image_name": self.image_name,
                "left_out": (*environment.left_out, *new),
            }
        )


def config_of(repository: RepositoryFiles) -> RepositoryConfig:
    """What the repository's file says, if it has one."""
    config = _without_config("it is too large")
    if CONFIG_FILE not in repository.unread:
        config = read_config(repository.files.get(CONFIG_FILE, ""))
    image = config.image or next(filter(_IMAGE.fullmatch, devcontainer_images(repository)), "")
    return replace(config, image=image)


def read_config(text: str) -> RepositoryConfig:
    """What the file says; what cannot be used of it is left out, with a note."""
    try:
        table = load_toml(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _without_config(f"it is not TOML ({str(error)[:_LONGEST_REASON]})")
    notes = [
        f"`{CONFIG_FILE}`: `{ascii(key[:80])[1:-1]}` is no setting; it has {_NAMED}."
        for key in table
        if key not in _KEYS
    ]
    lists: dict[str, tuple[str, ...]] = {}
    for key in _COMMANDS:
        commands = _commands(table.get(key))
        if commands is not None:
            lists[key] = commands
        elif key in table:
            notes.append(
                f"`{CONFIG_FILE}`: `{key}` is left out: it must be a list of at most"
                f" {_MOST_COMMANDS} commands."
            )
    image = table.get("image", "")
    if not isinstance(image, str) or (image and not _IMAGE.fullmatch(image)):
        notes.append(f"`{CONFIG_FILE}`: `image` is left out: it must be the name of an image.")
        image = ""
    env, of_env = read_env(table.get("env", {}))
    services, told, of_services = read_services(table.get("services", []))
    notes += [f"`{CONFIG_FILE}`: {note}" for note in (*of_env, *of_services)]
    return RepositoryConfig(
        setup=lists.get("setup"),
        validate=lists.get("validate"),
        variables=told | env,
        services=services,
        image=image,
        notes=tuple(notes[:_MOST_NOTES]),
    )


def _without_config(reason: str) -> RepositoryConfig:
    return RepositoryConfig(notes=(f"`{CONFIG_FILE}` is left out: {reason}.",))


def _commands(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or len(value) > _MOST_COMMANDS:
        return None
    commands = tuple(command for command in value if _is_command(command))
    return commands if len(commands) == len(value) else None


def _is_command(value: object) -> bool:
    return (
        isinstance(value, str)
        and bool(value.strip())
        and "\0" not in value
        and len(value) <= _LONGEST_COMMAND
    )
