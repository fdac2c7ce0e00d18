"""The line below a drawing, on terminals that it may not have."""

import os
import pty
import termios

from api.cli.keyboard.message_line import MessageLine


async def test_the_terminal_of_another_session_is_left_alone() -> None:
    screen, inside = pty.openpty()
    try:
        before, shown = termios.tcgetattr(inside), list[str | None]()
        with MessageLine(inside, show=shown.append, send=lambda _: None):
            assert termios.tcgetattr(inside) == before
        assert (termios.tcgetattr(inside), shown) == (before, [])
    finally:
        os.close(screen)
        os.close(inside)
