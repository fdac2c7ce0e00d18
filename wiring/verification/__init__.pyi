from .verification import CheckedCommand as CheckedCommand
from .verification import Verification as Verification
from .verify_receipt import verify_receipt as verify_receipt
