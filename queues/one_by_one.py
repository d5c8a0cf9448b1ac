"""Rows that each get a transaction of their own, so that a broken one does not stop the rest."""

import logging
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from models.base import db
from queues.database import AWAY

log = logging.getLogger(__name__)

ASIDE_SECONDS = 600.0


class OneByOne:
    """Runs a step for each id and commits; a row whose step fails is left alone for ten minutes."""

    def __init__(self, step: Callable[[UUID], bool]) -> None:
        self._step = step
        self._aside: dict[UUID, float] = {}

    def run(self, ids: Iterable[UUID]) -> int:
        """How many rows were changed. Raises only what says that the database is away."""
        now = time.monotonic()
        self._aside = {id: until for id, until in self._aside.items() if until > now}
        return sum(self._one(id) for id in ids if id not in self._aside)

    def _one(self, id: UUID) -> bool:
        try:
            changed = self._step(id)
            db.session.commit()
        except AWAY:
            db.session.rollback()
            raise
        except Exception:  # logged and put aside: others wait behind it
            db.session.rollback()
            self._aside[id] = time.monotonic() + ASIDE_SECONDS
            log.exception("%s failed for %s", self._step.__qualname__, id)
            return False
        return changed
