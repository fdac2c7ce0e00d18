"""What a server answered instead of what was asked."""


class ServerError(Exception):
    """Raised when a server refuses a call, or cannot be reached; `code` is the problem's own.

    `status` is the HTTP status, None where no answer came; `retry_after_s` what the answer said.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status
        self.retry_after_s = retry_after_s

    @property
    def passing(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status is None or self.status in {408, 425, 429} or self.status >= 500
