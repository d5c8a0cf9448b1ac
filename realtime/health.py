"""Live or Backup: whether the executor of a queue is there, and what it has to do."""

from typing import Any

from sqlalchemy import func, select

from models.agent import Agent
from models.base import db, utcnow
from models.delivery import NOT_ENDED, Delivery
from models.run import Run
from models.worker import CHAT, EXECUTORS, RUNS, Worker
from realtime.registry import plain


def status(queue: str = CHAT) -> dict[str, Any]:
    """What the badge shows; `last_ok_at` is when the executor was last known to be healthy."""
    now, seen = utcnow(), Worker.last_seen(queue)
    healthy = Worker.healthy(queue)
    return {
        "mode": "live" if healthy else "backup",
        "executor": {
            "queue": queue,
            "healthy": healthy,
            "last_seen_at": plain(seen),
            "free_slots": Worker.free_slots(queue) if healthy else 0,
            "waiting": _waiting(queue),
        },
        "executors": {each: Worker.healthy(each) for each in EXECUTORS},
        "checked_at": plain(now),
        "last_ok_at": plain(now if healthy else seen),
    }


def _waiting(queue: str) -> int:
    """How much the queue's workers have before them; an external agent fetches its own."""
    if queue == RUNS:
        return Run.count_waiting()
    waiting = (
        select(func.count())
        .select_from(Delivery)
        .join(Agent, (Agent.project_id == Delivery.project_id) & (Agent.key == Delivery.target_agent_key))
        .where(NOT_ENDED, Delivery.status == "queued", Agent.runtime == "builtin")
    )
    return int(db.session.scalar(waiting) or 0)
