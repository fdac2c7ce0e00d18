"""What signs in at a forge: one token for everything, or several for each repository."""

from typing import Literal, Protocol

from pydantic import SecretStr

from graph import SecretForms

TokenUse = Literal["fetch", "all"]
"""What a token is for: git reads a repository by one that can do nothing else."""


class Credentials(Protocol):
    """Tokens of one account. `forms` finds and hides each that was handed out."""

    forms: SecretForms

    @property
    def present(self) -> bool:
        """Whether there is anything to sign in with."""
        ...

    async def token(self, full_name: str, use: TokenUse = "all") -> SecretStr | None:
        """The token for one repository, which lasts for a transfer at least; None: there is none.

        Empty `full_name`: for the account's own calls. Raises ForgeError.
        """
        ...

    def renew(self, full_name: str, use: TokenUse = "all") -> bool:
        """Whether another token may serve than the one that the forge has just refused."""
        ...


class FixedToken(Credentials):
    """One token that serves wherever its account may go; None: nobody signs in."""

    def __init__(self, token: SecretStr | None) -> None:
        self.forms = SecretForms(token)
        self._token = token

    @property
    def present(self) -> bool:
        return self._token is not None

    async def token(self, full_name: str, use: TokenUse = "all") -> SecretStr | None:  # noqa: ARG002 - for all alike
        return self._token

    def renew(self, full_name: str, use: TokenUse = "all") -> bool:  # noqa: ARG002 - for all alike
        return False
