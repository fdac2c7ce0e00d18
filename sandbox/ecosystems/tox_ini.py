"""`tox.ini`: which of its environments test, what they need, and what they run."""

import configparser
import contextlib
import re
from collections.abc import Collection, Iterator, Mapping

from sandbox.ecosystems.project import Project

_PLAIN = re.compile(r"""[\w./](?:[\w./ =:@%+,-]|'[^'{}]*'|"[^"{}$`\\!]*")*""")
"""A command that means the same to tox, to Hatch and to a shell."""
_ARGUMENTS = re.compile(r"\{(?:pos)?args(?::([^{}]*))?\}")
_TOP_FOLDER = re.compile(r"\{(?:toxinidir|tox_root)\}(/(?=\w))?")
_NAME = re.compile(r"[\w.-]+")
_NUMBERS = re.compile(r"[=<>~!]\s*(\d{1,6}(?:\.\d{1,6})*)")
_MOST_COMMANDS = 5
_CONDITION = re.compile(r"[\w!{},.-]+")
_OF_TESTS = ("TZ", "DJANGO_SETTINGS_MODULE")
_PLAIN_VALUE = re.compile(r"[\w./:+@-]{1,100}")
_REFERENCE = re.compile(r"\{\[(?P<section>[^\]{}]+)\](?P<key>\w+)\}")
_NEWEST = (1_000_000,)
_MOST_STEPS = 3
_LONGEST = 65536
_TESTS = re.compile(r"testenv(?::(?:\{?py.*|tests?|unit.*))?")
_ONE_VERSION = re.compile(r"testenv:py(?:py)?\d+")
_OTHER_VERSIONS = re.compile(
    r"(?:^|[-,{])(?:\w*(?:lowest|oldest|minimum|mindeps|minver)|min|py2\d?|pypy\d*|nightly|master"
    r"|main)\b"
)


def tox_command(project: Project) -> str:
    """What tox runs in the environment that it makes, as one command; empty where it is not plain.

    tox itself would make one anew, with a network.
    """
    parser = _read(project.text("tox.ini"))
    folder = _here(parser.get("testenv", "changedir", fallback="").strip())
    said = parser.get("testenv", "commands", fallback="").replace("\\\n", "").splitlines()
    commands = "\n".join(map(_for_all, said))
    if not folder or folder == ".":
        return plain_command(_here(commands))
    command = plain_command(commands) if re.fullmatch(r"\w[\w./-]*", folder) else ""
    return command and f"cd {folder} && {command}"


def variables_of_tests(said: Mapping[str, object]) -> dict[str, str]:
    """Of the variables that tests are given: their time zone, and where Django's settings are.

    Others name hosts, and switches of the one who gives them.
    """
    texts = ((name, said.get(name)) for name in _OF_TESTS)
    return {
        name: value
        for name, value in texts
        if isinstance(value, str) and _PLAIN_VALUE.fullmatch(value)
    }


def tox_variables(text: str) -> dict[str, str]:
    """Those that all of tox's environments have."""
    parser = _read(text)
    said = [parser.get("testenv", key, fallback="") for key in ("setenv", "set_env")]
    pairs = (line.partition("=") for line in "\n".join(said).splitlines())
    return variables_of_tests({name.strip(): value.strip() for name, _, value in pairs})


def _for_all(line: str) -> str:
    """A command of every environment; empty where it is one of some of them alone."""
    condition, is_conditional, command = line.strip().partition(": ")
    if not is_conditional or not _CONDITION.fullmatch(condition):
        return line
    return command if condition.startswith("!") else ""


def _here(text: str) -> str:
    """With the project's folder as the one that is worked in."""
    return _TOP_FOLDER.sub(lambda match: "" if match[1] else ".", text)


def plain_command(lines: str) -> str:
    """The commands of an environment as one, without arguments of a caller's.

    Empty where a shell might take one for something else.
    """
    commands = [_ARGUMENTS.sub(r"\1", line).strip() for line in lines.splitlines()]
    commands = [command for command in commands if command]
    plain = all(_PLAIN.fullmatch(command) for command in commands)
    return " && ".join(commands) if plain and len(commands) <= _MOST_COMMANDS else ""


def testing_sections(text: str) -> Iterator[configparser.SectionProxy]:
    """The environments that run tests.

    One for one version of Python needs what all do, where that is said.
    """
    parser = _read(text)
    _expand(parser)
    is_said = parser.has_option("testenv", "deps")
    for name in filter(_TESTS.fullmatch, parser.sections()):
        if not (is_said and _ONE_VERSION.fullmatch(name)):
            yield parser[name]


def _expand(parser: configparser.ConfigParser) -> None:
    """Put in what lines such as `{[base]deps}` stand for, however often one leads to another."""
    for _ in range(_MOST_STEPS):
        for name in filter(_TESTS.fullmatch, parser.sections()):
            for key in ("deps", "extras", "dependency_groups"):
                said = parser.get(name, key, fallback="").splitlines()
                lines = [_stands_for(line, parser) for line in said]
                if any(lines) and sum(map(len, lines)) < _LONGEST:
                    parser.set(name, key, "\n".join(lines))


def _stands_for(line: str, parser: configparser.ConfigParser) -> str:
    match = _REFERENCE.fullmatch(line.strip())
    if match is None:
        return line
    return parser.get(match["section"], match["key"], fallback="")


def settled(text: str, required: Collection[str] = ()) -> list[str]:
    """The lines of a setting. Of those with a condition, such as `py311: mock`, one a name.

    It is the one of the newest version. Conditions of the oldest versions, or of those to come, are
    left out, and so is one alone for what is `required` without it.
    """
    always: list[str] = []
    conditional: dict[str, list[str]] = {}
    for line in map(str.strip, text.splitlines()):
        condition, found, word = line.partition(": ")
        if not found or not _CONDITION.fullmatch(condition):
            always += [line] if line else []
        elif not _OTHER_VERSIONS.search(condition):
            conditional.setdefault(_name(word.strip()), []).append(word.strip())
    known = {*required, *(match[0].lower() for line in always if (match := _NAME.match(line)))}
    settled = {name: max(each, key=_version) for name, each in conditional.items()}
    return [
        *always,
        *(
            word
            for name, word in settled.items()
            if len(conditional[name]) > 1 or name not in known
        ),
    ]


def _name(requirement: str) -> str:
    """What a requirement is of; without the number that ends one such as `requirements/py311`."""
    match = _NAME.match(requirement)
    name = match[0].lower() if match else ""
    return name.rstrip("0123456789") if len(name) == len(requirement) else name


def _version(requirement: str) -> tuple[int, ...]:
    """The first version that a requirement names; one that names none is of the newest."""
    found = _NUMBERS.search(requirement)
    return tuple(map(int, found[1].split("."))) if found else _NEWEST


def _read(text: str) -> configparser.ConfigParser:
    """Its sections; none of a text that is no such file."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    with contextlib.suppress(configparser.Error):
        parser.read_string(text)
    return parser
