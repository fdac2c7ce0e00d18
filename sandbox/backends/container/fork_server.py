"""The program that makes a supervisor for each command in a container by a fork.

It is started once, and sent its source then, so no command waits for an interpreter to start.
It runs only where commands are another user than the container's root, and so can neither stop it,
nor trace it, nor write in its name. It is of the standard library alone, for Linux.

Standard input and standard output carry frames: the number of a command, a kind, and so many bytes.
It ends once its input does, or after a time without a command, or in which a frame comes or goes no
further: then nobody may be left to end it. That time is its third argument.
"""

from __future__ import annotations  # a container's Python may be older than ours

import json
import os
import select
import signal
import struct
import sys
import traceback
from typing import NoReturn

from sandbox.backends.container.supervisor import PIECE, PRCTL, SUBREAPER, answer, supervise, taken
from sandbox.host.resource_usage import can_become

HEADER = struct.Struct(">IBI")
START, INPUT, END_INPUT = 1, 2, 3
"""Kinds of frames that it reads: a request, what its command reads, that nobody waits any more."""
READY, OUTPUT, ANSWER, ENDED = 1, 2, 3, 4
"""Kinds that it writes. READY comes first; bytes in it say why it cannot serve."""
IDLE_S = 90


class Child:
    """A supervisor, where its input is written, and what it writes."""

    def __init__(self, number: int, pid: int, given: int, kinds: dict[int, int]) -> None:
        self.number = number
        self.pid = pid
        self.given = given
        self.kinds = kinds

    def write(self, data: bytes) -> None:
        """It reads all of its input before its command begins, or has come to its end."""
        try:
            write(self.given, data)
        except BrokenPipeError:
            return

    def end_input(self) -> None:
        if self.given >= 0:
            os.close(self.given)
            self.given = -1

    def close(self) -> None:
        """Nobody reads it any more."""
        self.end_input()
        for source in self.kinds:
            os.close(source)
        self.kinds.clear()


class ForkServer:
    """All commands that go on. After `idle_s` with none, or in a frame, it ends.

    `left` bytes are still to come for the command with the number `fed`.
    """

    def __init__(self, idle_s: int) -> None:
        self.idle_s = idle_s
        self.children: dict[int, Child] = {}
        self.sources: dict[int, Child] = {}
        self.fed, self.left = 0, 0
        self.poll = select.poll()
        self.poll.register(0, select.POLLIN)

    def serve(self) -> None:
        while True:
            ready = self.poll.poll(None if self.children else self.idle_s * 1000)
            if not ready:
                return
            signal.alarm(self.idle_s)  # it ends this process
            for source, _ in ready:
                if source != 0:
                    self.relay(source)
                elif not self.take():
                    return
            signal.alarm(0)

    def take(self) -> bool:
        """One frame, a piece of a long one: others are heard meanwhile. False where all ended."""
        if self.left:
            return self.feed()
        first = os.read(0, HEADER.size)
        if not first:
            return False
        head = first + b"".join(taken(HEADER.size - len(first)))
        number, kind, size = HEADER.unpack(head)
        child = self.children.get(number)
        if kind == START:
            self.start(number, b"".join(taken(size)))
        elif kind == END_INPUT and child:
            child.end_input()
        elif kind == INPUT:
            self.fed, self.left = number, size
        return True

    def feed(self) -> bool:
        data = os.read(0, min(self.left, PIECE))
        self.left -= len(data)
        if child := self.children.get(self.fed):
            child.write(data)
        return bool(data)

    def start(self, number: int, request: bytes) -> None:
        try:
            pipes = given, output, told = [os.pipe() for _ in range(3)]
            pid = os.fork()
        except OSError as error:  # more commands at once than there is room for
            send(number, ANSWER, json.dumps(answer(lost=f"no supervisor: {error}")).encode())
            send(number, ENDED)
            return
        if pid == 0:
            become_supervisor(pipes, self, request)
        for ours in (given[0], output[1], told[1]):
            os.close(ours)
        child = Child(number, pid, given[1], {output[0]: OUTPUT, told[0]: ANSWER})
        self.children[number] = child
        for source in child.kinds:
            self.sources[source] = child
            self.poll.register(source, select.POLLIN)

    def relay(self, source: int) -> None:
        """Pass one piece on; where it was the last of a supervisor, that has ended."""
        child = self.sources[source]
        if data := os.read(source, PIECE):
            send(child.number, child.kinds[source], data)
            return
        self.poll.unregister(source)
        os.close(source)
        del self.sources[source], child.kinds[source]
        if not child.kinds:
            child.end_input()
            os.waitpid(child.pid, 0)
            del self.children[child.number]
            send(child.number, ENDED)

    def close(self) -> None:
        """Let every command be ended: its supervisor finds its pipes closed."""
        for child in self.children.values():
            child.close()
        for child in self.children.values():
            os.waitpid(child.pid, 0)


def become_supervisor(pipes: list[tuple[int, int]], server: ForkServer, request: bytes) -> NoReturn:
    """Called in a fork, which has no other's pipes open then."""
    try:
        (given, _), (_, output), (_, told) = pipes
        for target, source in enumerate((given, output, told)):
            os.dup2(source, target)
        for ends in pipes:
            for end in ends:
                os.close(end)
        for child in server.children.values():
            child.close()
        told_to = json.loads(request)
        signal.alarm(told_to["answer_within_s"])  # it ends this process: nobody hears it after that
        supervise(told_to)
    except BaseException:  # noqa: BLE001 - it is told as one that could not answer
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)


def send(number: int, kind: int, data: bytes = b"") -> None:
    write(1, HEADER.pack(number, kind, len(data)) + data)


def write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]


def reason_against(user: int) -> bytes:
    """Why commands go to supervisors that are started one by one; empty where they need not."""
    if not can_become(user):
        return b"its root cannot become another user"
    if PRCTL(SUBREAPER, 1, 0, 0, 0) != 0:
        return b"its kernel has no subreapers"
    PRCTL(SUBREAPER, 0, 0, 0, 0)
    return b""


def main() -> None:
    """Arguments: the length of this source, the user of commands, seconds until it ends idle."""
    reason = reason_against(int(sys.argv[2]))
    send(0, READY, reason)
    if reason:
        return
    server = ForkServer(int(sys.argv[3]))
    try:
        server.serve()
    except (OSError, EOFError):  # who asked has gone
        pass
    finally:
        server.close()
