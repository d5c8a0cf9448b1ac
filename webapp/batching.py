"""A gate: requests that wait for the same work have it done together, in the order in which they came."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from models.base import db
from models.errors import Busy, DomainError

BATCH = 64
"""How many one transaction carries: enough to share its cost, few enough to keep the loop free."""
MANY, GATHERING = 5, 0.008
"""After a batch of so many the next leader waits so many seconds for more: a transaction costs more."""
PATIENCE = 10.0
"""Seconds that a request waits for its turn and its answer."""

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(eq=False)
class _Waiter(Generic[Asked, Told]):
    asked: Asked
    leads: bool
    turn: threading.Event = field(default_factory=threading.Event)
    outcome: Told | Exception | None = None


class Gate(Generic[Asked, Told]):
    """Whoever finds the gate empty leads: does the work of all that wait, then lets the next one lead.

    A leader leads once, and its own request is in its batch, so that nobody works for others for ever.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Told | DomainError]],
        *,
        batch: int = BATCH,
        patience: float = PATIENCE,
    ) -> None:
        self._work = work
        self._batch = batch
        self._patience = patience
        self._lock = threading.Lock()
        self._waiting: deque[_Waiter[Asked, Told]] = deque()
        self._led = False
        self._last = 0

    def enter(self, asked: Asked) -> Told:
        """The answer, once the work is done; Busy when that took too long, whatever becomes of it."""
        mine = self._join(asked)
        if not mine.leads and not self._turn_of(mine):
            raise Busy("the server is busy, try again in a moment")
        if mine.leads:
            self._lead()
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        assert mine.outcome is not None
        return mine.outcome

    def _join(self, asked: Asked) -> _Waiter[Asked, Told]:
        with self._lock:
            mine: _Waiter[Asked, Told] = _Waiter(asked, leads=not self._led)
            self._led = True
            self._waiting.append(mine)
            return mine

    def _turn_of(self, mine: _Waiter[Asked, Told]) -> bool:
        """Wait until it is answered or has to lead; False when it gave up."""
        try:
            if mine.turn.wait(self._patience):
                return True
        except BaseException:
            self._leave(mine)
            raise
        with self._lock:
            if mine.leads or mine.outcome is not None:
                return True
            if mine in self._waiting:
                self._waiting.remove(mine)
            return False

    def _leave(self, mine: _Waiter[Asked, Told]) -> None:
        """This request was ended from outside: whoever waits behind it must still get a leader."""
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
        if mine.leads:
            self._hand_over([])

    def _lead(self) -> None:
        batch: list[_Waiter[Asked, Told]] = []
        try:
            # Requests that are ready now join this batch, instead of each paying for a transaction.
            time.sleep(GATHERING if self._last >= MANY else 0)
            batch = self._take()
            self._last = len(batch)
            self._answer(batch)
        finally:
            self._hand_over(batch)

    def _take(self) -> list[_Waiter[Asked, Told]]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

    def _answer(self, batch: list[_Waiter[Asked, Told]]) -> None:
        outcomes = self._outcomes([waiter.asked for waiter in batch])
        for waiter, outcome in zip(batch, outcomes, strict=True):
            waiter.outcome = outcome

    def _outcomes(self, asked: Sequence[Asked]) -> Sequence[Told | Exception]:
        try:
            return self._work(asked)
        except Busy as busy:
            db.session.rollback()
            return [busy] * len(asked)
        except (SQLAlchemyError, DomainError):
            db.session.rollback()
            return self._one_by_one(asked)

    def _one_by_one(self, asked: Sequence[Asked]) -> list[Told | Exception]:
        """One request broke the batch: the others must not suffer. A database that is away answers all."""
        outcomes: list[Told | Exception] = []
        away: Exception | None = None
        for one in asked:
            try:
                outcomes.append(away or self._work([one])[0])
            except (SQLAlchemyError, DomainError) as error:
                db.session.rollback()
                away = error if isinstance(error, (OperationalError, Busy)) else None
                outcomes.append(error)
        return outcomes

    def _hand_over(self, batch: list[_Waiter[Asked, Told]]) -> None:
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._led = following is not None
            if following is not None:
                following.leads = True
        for waiter in batch:
            if waiter.outcome is None:
                waiter.outcome = Busy("this was not done, try again in a moment")
            waiter.turn.set()
        if following is not None:
            following.turn.set()
