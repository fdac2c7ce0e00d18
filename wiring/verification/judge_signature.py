"""Who signed a receipt, as far as public keys tell."""

from dataclasses import dataclass
from pathlib import Path

from forge.core import Forge, PullFacts
from forge.receipt import PURPOSE
from forge.signing import PublicKeys, SigningKey
from wiring.verification.find_receipt import FoundReceipt


@dataclass(frozen=True)
class Signers:
    """Who may have signed a receipt: `keys`, and whose they are. `given`: the caller named them."""

    keys: PublicKeys
    owner: str
    given: bool


async def find_signers(
    forge: Forge, pull: PullFacts, file: Path | None, own: SigningKey | None
) -> Signers:
    """The keys of a file, else the operator's own, else those that the opener has at the forge.

    Raises SigningFailed, ForgeError.
    """
    if file:
        return Signers(await PublicKeys.load(file), f"the key of {file.name}", given=True)
    if own:
        keys = PublicKeys.of([await own.public()])
        return Signers(keys, "the key of CODING_AGENT_SIGNING_KEY_FILE", given=True)
    listed = PublicKeys.of(await forge.signing_keys(pull.author))
    return Signers(listed, f"a key that {pull.author} has at {forge.name}", given=False)


async def judge_signature(found: FoundReceipt, signers: Signers) -> tuple[str, str]:
    """A fault and a note, of which one may be empty. Raises SigningFailed."""
    if found.receipt is None:
        return "", ""
    if not found.signature:
        told = "It is not signed: whoever may edit the comment may have written it."
        return (told, "") if signers.given else ("", told)
    if not signers.keys:
        return "", "It is signed; nobody knows by whom: name the file of a public key by --key."
    if await signers.keys.verify(found.receipt.canonical, found.signature, PURPOSE):
        return "", f"It is signed by {signers.owner}."
    return f"Its signature is not by {signers.owner}.", ""
