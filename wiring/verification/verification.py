"""What came of running a receipt's commands again."""

from dataclasses import dataclass

from forge.receipt import Receipt, ReceiptCommand
from graph import CommandReport


@dataclass(frozen=True)
class CheckedCommand:
    """A command of the receipt, and how it ends now; None where it was not run.

    `found`: the trusted base asks for it by itself.
    """

    told: ReceiptCommand
    head: CommandReport | None
    base: CommandReport | None
    found: bool

    @property
    def agrees(self) -> bool:
        """Whether both ends are as the receipt has them, as far as both are known."""
        told, head, base = self.told, self.head, self.base
        if head is None or (head.status, head.exit_code) != (told.status, told.exit_code):
            return False
        if base is None or told.base_status is None:
            return True
        return (base.status, base.exit_code) == (told.base_status, told.base_exit_code)


@dataclass(frozen=True)
class Verification:
    """`faults` say why the receipt does not hold, `notes` what a reader should know beside."""

    receipt: Receipt | None
    commands: tuple[CheckedCommand, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether there is a receipt that everything agrees with."""
        agree = all(command.agrees for command in self.commands)
        return self.receipt is not None and bool(self.commands) and agree and not self.faults
