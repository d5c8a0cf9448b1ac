"""The bus never waits, never raises, and heals by itself."""

import queue
import time
from collections.abc import Iterator
from typing import Any

import pytest

from realtime.bus import MOST_WAITING, Bus, merge_rings
from tests.support.processes import wait_until
from tests.support.redis import RedisServer

Heard = queue.Queue[tuple[str, dict[str, Any]]]


@pytest.fixture
def ears() -> Heard:
    return queue.Queue()


@pytest.fixture
def pair(redis_server: RedisServer, ears: Heard) -> Iterator[tuple[Bus, Bus]]:
    """One that speaks, and one that listens and has been heard to do so."""
    speaker, listener = Bus(redis_server.url, "tests"), Bus(redis_server.url, "tests")
    listener.listen(lambda kind, payload: ears.put((kind, payload)))
    wait_until(lambda: passes(speaker, ears), 5, "the first signal")
    yield speaker, listener
    speaker.close()
    listener.close()


def passes(bus: Bus, ears: Heard) -> bool:
    """Whether a signal gets through; nothing else is left to hear."""
    bus.publish("agent", {"mark": True})
    try:
        while ears.get(timeout=0.2)[1] != {"mark": True}:
            pass
    except queue.Empty:
        return False
    return True


def test_what_one_process_says_the_others_hear_in_order(pair: tuple[Bus, Bus], ears: Heard) -> None:
    for number in range(300):
        pair[0].publish("delta", {"offset": number, "text": "é\u2028"})

    heard = [ears.get(timeout=5) for _ in range(300)]

    assert heard == [("delta", {"offset": number, "text": "é\u2028"}) for number in range(300)]


def test_a_process_does_not_hear_itself(
    redis_server: RedisServer, pair: tuple[Bus, Bus], ears: Heard
) -> None:
    pair[1].publish("typing", {"mine": True})
    pair[0].publish("typing", {"mine": False})

    assert ears.get(timeout=5) == ("typing", {"mine": False})


def test_another_channel_is_another_installation(
    redis_server: RedisServer, pair: tuple[Bus, Bus], ears: Heard
) -> None:
    other = Bus(redis_server.url, "another")
    other.publish("typing", {"foreign": True})
    other.close()

    assert passes(pair[0], ears)


def test_rings_that_wait_become_one() -> None:
    batch: list[tuple[str, dict[str, Any]]] = [
        ("ring", {"a": 3}), ("delta", {}), ("ring", {"a": 2, "b": 1}), ("agent", {}),
    ]  # fmt: skip

    assert merge_rings(batch) == [("ring", {"a": 3, "b": 1}), ("delta", {}), ("agent", {})]
    assert merge_rings([("delta", {})]) == [("delta", {})]


def test_an_unknown_kind_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        Bus("", "tests").publish("shout", {})


def test_without_redis_everything_is_silently_local() -> None:
    bus = Bus("", "tests")

    bus.publish("ring", {"a": 1})
    bus.listen(lambda kind, payload: None)
    bus.close()


@pytest.mark.parametrize("how", ["dead", "hung"])
def test_publishing_costs_nothing_while_redis_is_ill_and_heals(
    redis_server: RedisServer, pair: tuple[Bus, Bus], ears: Heard, how: str
) -> None:
    ill, well = (
        (redis_server.kill, redis_server.start)
        if how == "dead"
        else (redis_server.pause, redis_server.resume)
    )
    ill()

    slowest = 0.0
    for number in range(MOST_WAITING * 2):
        began = time.perf_counter()
        pair[0].publish("delta", {"offset": number})
        slowest = max(slowest, time.perf_counter() - began)
    well()

    assert slowest < 0.05
    wait_until(lambda: passes(pair[0], ears), 10, "signals to pass again")


@pytest.mark.parametrize(
    "data", [b"", b"x", b"7", b"[]", b"{}", b'{"kind":7,"payload":{},"from":"x"}', b"\xff", b"[" * 10_000,
             b'{"kind":"eval","payload":{},"from":"x"}', b'{"kind":"ring","payload":[],"from":"x"}'],
)  # fmt: skip
def test_what_is_not_ours_on_the_channel_is_passed_over(
    redis_server: RedisServer, pair: tuple[Bus, Bus], ears: Heard, data: bytes
) -> None:
    with pair[0]._client() as client:
        client.publish("tests", data)

    assert passes(pair[0], ears)
