"""Modal itself: what `doctor` tries of a deployment."""

from pathlib import Path

from benchmarks.live.trial import Account, Trial


def has_account(account: Account) -> bool:
    """Whether this user has signed in to Modal."""
    config = account.environment.get("MODAL_CONFIG_PATH")
    path = Path(config) if config else Path(account.environment.get("HOME", "/")) / ".modal.toml"
    return bool(account.environment.get("MODAL_TOKEN_ID")) or path.is_file()


async def try_deployment(account: Account, trial: Trial) -> None:
    """Try the service, its credentials and its Sandboxes; nothing is paid but seconds of them."""
    code, out, errors = await account.command("doctor", "--modal")
    trial.expect("what is deployed holds", held=code == 0, seen=(out + errors)[-1500:])
