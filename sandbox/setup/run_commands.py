"""The commands that make a new tree ready."""

from graph import Environment
from graph.errors import SandboxError, SetupFailed
from sandbox.core.output import cut_middle
from sandbox.core.prepared_sandbox import prepare_command
from sandbox.core.protocol import ExecResult, FileAccessError, Sandbox, ServiceUse
from sandbox.ecosystems.install_script import REPORT
from sandbox.setup.tool_versions import read_versions
from sandbox.tree.git_dir import IGNORED_BY_SETUP, NAME_AS_PATTERN

_TOLD = 2000

_IGNORE_LEFTOVERS = f"""\
set -e -o pipefail
export LC_ALL=C
mkdir -p "${{HOME}}"/.config/git
git ls-files -z --others --exclude-standard --directory --no-empty-directory |
  sed -z '{NAME_AS_PATTERN}' | tr '\\0' '\\n' >> {IGNORED_BY_SETUP}
"""


async def run_set_up(sandbox: Sandbox, environment: Environment) -> None:
    """Run the commands; the untracked files they leave stay out of the change.

    Raises SetupFailed at the first that fails.
    """
    asked = any(command.source != "rule" for command in environment.commands)
    use: ServiceUse | None = "wanted" if asked else None
    for command in environment.setup:
        result = await sandbox.run(prepare_command(command.shell, environment, use=use))
        if result.exit_code != 0:
            raise SetupFailed(
                f"The set-up command `{command.shell}` {_ending(result)}.\n"
                f"{cut_middle(result.text.strip(), _TOLD)}".rstrip(),
                "Fix the command. Set-up commands run in the sandbox, without a network.",
                command.shell,
            )
    if environment.setup:
        result = await sandbox.run(_IGNORE_LEFTOVERS)
        if result.exit_code != 0:
            raise SandboxError(f"What set-up made cannot be listed: {result.text[-_TOLD:]}")


async def read_report(sandbox: Sandbox, environment: Environment) -> bytes:
    """What the steps of rules said of how they ended, and the versions of tools that are there."""
    versions = await read_versions(sandbox, environment)
    try:
        return await sandbox.read(REPORT) + versions
    except FileAccessError:
        return versions


def _ending(result: ExecResult) -> str:
    if result.limit:
        return f"was stopped by its {result.limit} limit"
    return f"ended with exit code {result.exit_code}"
