"""The commands of a model as a layer of their own, on what the other commands left."""

from dataclasses import replace

from sandbox.core.protocol import TreeSpec


def rules_of(spec: TreeSpec) -> TreeSpec | None:
    """What is run on the untouched base before the commands of a model, where there are any."""
    rest = spec.environment.without_recipe()
    if not spec.environment.recipe or not rest.commands:
        return None
    return replace(spec, base=spec.base.trusted_base, change=None, environment=rest)


def recipe_alone(spec: TreeSpec) -> TreeSpec:
    """The commands of a model, with what the others made for them."""
    found = tuple(each for each in spec.environment.commands if each.source == "model")
    return replace(spec, environment=spec.environment.model_copy(update={"commands": found}))
