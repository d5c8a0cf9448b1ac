"""The checker finds every kind of damage, and none in a good run."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.history import CaughtUp, Event, Receive, Send, anomalies

SEEDS = range(100)
Run = tuple[list[Event], list[tuple[int, str]]]


def good_run(seed: int) -> Run:
    """Three clients that wait for each answer, one of ten unknown; one reader who got everything."""
    chance, events, log = random.Random(seed), list[Event](), list[tuple[int, str]]()
    for number in range(60):
        result = chance.choice(["ok"] * 8 + ["unknown", "no"])
        landed = result == "ok" or (result == "unknown" and chance.random() < 0.5)
        if landed:
            log.append((len(log) + 1, f"m{number}"))
        seq = len(log) if result == "ok" else None
        events.append(Send(f"c{number % 3}", f"m{number}", number, number + 0.5, result, seq))  # type: ignore[arg-type]
    events += [Receive("reader", message_id, seq) for seq, message_id in log]
    events.append(CaughtUp("reader", len(log)))
    return events, log


def promised(events: list[Event]) -> set[str]:
    return {event.id for event in events if isinstance(event, Send) and event.result == "ok"}


def lose(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    at = chance.choice([place for place, (_, m) in enumerate(log) if m in promised(events)])
    log[at:] = [(seq - 1, message_id) for seq, message_id in log[at + 1 :]]


def double(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    log.append((len(log) + 1, chance.choice(log)[1]))


def swap(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    at = chance.randrange(len(log) - 1)
    (a, x), (b, y) = log[at], log[at + 1]
    log[at], log[at + 1] = (a, y), (b, x)


def miss(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    events.remove(chance.choice([event for event in events if isinstance(event, Receive)]))


def repeat(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    events.append(chance.choice([event for event in events if isinstance(event, Receive)]))


def misplace(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    at = chance.choice([n for n, e in enumerate(events) if isinstance(e, Send) and e.result == "ok"])
    events[at] = replace(events[at], seq=10_000)  # type: ignore[arg-type]


def invent(events: list[Event], log: list[tuple[int, str]], chance: random.Random) -> None:
    log.append((len(log) + 1, "nobody's"))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_good_run_has_no_anomaly(seed: int) -> None:
    assert anomalies(*good_run(seed)) == []


@pytest.mark.parametrize("damage", [lose, double, swap, miss, repeat, misplace, invent])
def test_every_damage_is_found(damage: Callable[..., None]) -> None:
    for seed in SEEDS:
        events, log = good_run(seed)
        damage(events, log, random.Random(seed))
        assert anomalies(events, log), f"seed {seed}"
