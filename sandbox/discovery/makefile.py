"""The checks that a makefile names."""

from sandbox.discovery.repository_facts import Package

_RUNNERS = ("pytest", "unittest", "cargo test", "go test", "rspec", "mvn", "gradle", "ruff", "mypy")


def make_checks(package: Package, targets: tuple[str, ...], known: list[str]) -> list[str]:
    """The first of the targets that is there, unless it only calls what is run already."""
    recipes = _recipes(_makefile(package))
    target = next((target for target in targets if target in recipes), None)
    if target is None or any(_runner(command) in recipes[target] for command in known):
        return []
    return [f"make {target}"]


def _runner(command: str) -> str:
    """The words of a command by which a recipe that calls it can be known."""
    return next((name for name in _RUNNERS if name in command), command.removeprefix("CI=true "))


def _makefile(package: Package) -> str:
    for name in ("GNUmakefile", "makefile", "Makefile"):  # in the order make looks for them
        if package.has(name):
            return package.text(name)
    return ""


def _recipes(makefile: str) -> dict[str, str]:
    """The plain targets of a makefile with the text of their rules."""
    recipes: dict[str, str] = {}
    current: list[str] = []
    for line in makefile.splitlines():
        head, colon, rest = line.partition(":")
        if line.startswith("\t"):
            for target in current:
                recipes[target] += line
        elif colon and not rest.startswith(("=", ":=", "::=")) and not set("=#") & set(head):
            current = head.split()
            for target in current:
                recipes[target] = recipes.get(target, "") + rest
    return recipes
