"""Tickets are good for half a minute and one session."""

import time
from uuid import uuid4

import pytest

from realtime import tickets

KEY = "a key that signs tickets"


def test_a_ticket_opens_for_its_session_only() -> None:
    session, other = uuid4(), uuid4()

    ticket = tickets.issue(KEY, session)

    assert tickets.redeem(KEY, ticket, session)
    assert not tickets.redeem(KEY, ticket, other)
    assert not tickets.redeem("another key", ticket, session)
    assert not tickets.redeem(KEY, ticket[:-1], session)


@pytest.mark.parametrize(("age", "good"), [(0, True), (29, True), (32, False), (3600, False)])
def test_a_ticket_is_good_for_30_seconds(monkeypatch: pytest.MonkeyPatch, age: int, good: bool) -> None:
    session, now = uuid4(), time.time()
    ticket = tickets.issue(KEY, session)

    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + age)

    assert tickets.redeem(KEY, ticket, session) is good


@pytest.mark.parametrize(
    "ticket", [None, 7, True, [], {}, "", ".", "a.b.c", "\0", "é", "\ud800", "x" * 60_000]
)
def test_anything_else_is_no_ticket(ticket: object) -> None:
    assert not tickets.redeem(KEY, ticket, uuid4())
