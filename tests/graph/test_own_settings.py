"""The text of a `.coding-agent.toml` that asks for what was found."""

import tomllib

from graph.environment import Environment, EnvironmentCommand, own_settings

MADE = Environment(
    commands=(EnvironmentCommand(command="npm ci", folder="web"),),
    image="sha256:1",
    image_name="registry.test/dev:1",
    suggested=('services = ["redis"]',),
)


def test_it_holds_image_and_variables_and_a_line_for_services() -> None:
    text = own_settings(MADE, ["npm test"], {"HUSKY": "0", "ODD": 'a"\\\x7f'})
    assert tomllib.loads(text) == {
        "setup": ["cd web && npm ci"],
        "validate": ["npm test"],
        "image": "registry.test/dev:1",
        "env": {"HUSKY": "0", "ODD": 'a"\\\x7f'},
    }
    assert '# services = ["redis"]  # where it is installed\n' in text


def test_what_there_is_none_of_is_not_written() -> None:
    assert tomllib.loads(own_settings(Environment(), [])) == {"setup": [], "validate": []}
