"""Clients of PyGithub in several threads: none is used by two, and none stays open at the end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import github
import pytest
from pydantic import SecretStr

from forge.github.connection.client_pool import ClientPool

TOKEN = SecretStr("ghs_" + "a" * 36)


class Client(github.Github):
    """Says whether it is open."""

    def __init__(self, made: "list[Client]") -> None:
        super().__init__()
        self.is_open = True
        made.append(self)

    def close(self) -> None:
        super().close()
        self.is_open = False


@pytest.fixture
def made() -> list[Client]:
    return []


@pytest.fixture
def pool(made: list[Client]) -> Iterator[ClientPool]:
    pool = ClientPool(lambda _: Client(made))
    yield pool
    pool.close()
    assert not any(client.is_open for client in made)


def test_one_is_used_again(pool: ClientPool, made: list[Client]) -> None:
    pool.add(TOKEN)
    for _ in range(2):
        with pool.client(TOKEN):
            pass
    assert len(made) == 1
    assert made[0].is_open


def test_two_users_at_a_time_have_one_each(pool: ClientPool) -> None:
    with pool.client(TOKEN) as first, pool.client(TOKEN) as second:
        assert first is not second


@pytest.mark.parametrize("end", ["drop", "close"])
def test_one_that_is_given_back_after_its_end_is_closed(
    pool: ClientPool, made: list[Client], end: str
) -> None:
    with pool.client(TOKEN):
        pool.drop(TOKEN) if end == "drop" else pool.close()
        assert made[0].is_open
    assert not made[0].is_open


def test_all_are_closed_while_others_are_given_back(made: list[Client]) -> None:
    pool = ClientPool(lambda _: Client(made))
    tokens = [SecretStr(str(number)) for number in range(50)]

    def use_all(_: int) -> None:
        with ExitStack() as stack:
            for token in tokens * 20:
                stack.enter_context(pool.client(token))

    with ThreadPoolExecutor(4) as threads:
        using = [threads.submit(use_all, number) for number in range(4)]
        while not all(each.done() for each in using):
            pool.close()
        for each in using:
            each.result()
    pool.close()
    assert not any(client.is_open for client in made)
