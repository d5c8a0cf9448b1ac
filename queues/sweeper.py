"""Takes back what a dead worker held: its lease has run out."""

import logging
import time
from collections.abc import Callable
from uuid import UUID

from models.base import db, reading
from models.delivery import LEASE_SECONDS, Delivery
from models.message import Answer
from models.run import Run
from models.work import hold
from queues import roster
from queues.one_by_one import OneByOne

log = logging.getLogger(__name__)

EVERY = 5.0
AWAY_AFTER = 3 * EVERY


def _clock() -> float:
    """Seconds that also pass while the machine sleeps, as they do for the database's clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Sweeper:
    """After an outage it waits: leases ran out while nobody could renew them, and owners come back too."""

    def __init__(self, clock: Callable[[], float] = _clock) -> None:
        self._clock = clock
        self._seen_at = clock()
        self._wait_until = 0.0
        self._rows = OneByOne(self._take_back)
        self._closed = OneByOne(self._put_back)
        self._runs = OneByOne(self._lose)

    def sweep(self) -> int:
        """How many deliveries and runs were taken back."""
        with reading():
            closed = Delivery.answered_in_closed()
            lost = [delivery.id for delivery in Delivery.with_lost_lease()]
            runs = [run.id for run in Run.with_lost_lease()]
            db.session.rollback()
        self._note_outage()
        back = self._closed.run(sorted(closed))
        if self._clock() < self._wait_until:
            return back
        return back + self._rows.run(lost) + self._runs.run(runs)

    def _put_back(self, project_id: UUID) -> bool:
        """What was taken in the very moment in which its thread was closed."""
        return Delivery.put_back_closed(project_id) > 0

    def _note_outage(self) -> None:
        now = self._clock()
        away, self._seen_at = now - self._seen_at, now
        if away > AWAY_AFTER:
            self._wait_until = now + max(LEASE_SECONDS, away)
            log.warning("the database or this process was away for %.0f s, leases get time", away)

    def _take_back(self, delivery_id: UUID) -> bool:
        said = self._said(delivery_id)
        for delivery in Delivery.with_lost_lease(only=delivery_id):
            project_id, key = delivery.project_id, delivery.target_agent_key
            taken = delivery.lost(said)
            roster.rest(project_id, key)
            return taken
        return False

    def _lose(self, run_id: UUID) -> bool:
        """Its owner may have come back since it was found: looked at again while nobody can move it."""
        held = hold(run_id)
        return bool(Run.with_lost_lease(only=run_id)) and held.lost()

    def _said(self, delivery_id: UUID) -> Answer | None:
        """What a stopped one had said: long markdown takes a second, which no lock may be held for."""
        with reading():
            delivery = db.session.get(Delivery, delivery_id)
            stopped = delivery is not None and delivery.desired_status == "stopped"
            text = delivery.partial if delivery is not None and stopped else ""
            db.session.rollback()
        return Answer.of(text) if text else None
