"""Ends what nobody ends: a delivery or request without progress for two minutes fails, with its reason."""

from uuid import UUID

from models.agent import Agent, AgentStatus
from models.base import db, reading
from models.delivery import Delivery
from models.executor_request import ExecutorRequest
from queues import roster
from queues.one_by_one import OneByOne

WORDS = {60: "one minute", 120: "two minutes", 180: "three minutes", 300: "five minutes"}


class Watchdog:
    """Asks the tables, so it sees everything that is late, however long it slept itself."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deliveries = OneByOne(self._fail_delivery)
        self._requests = OneByOne(self._fail_request)

    def watch(self) -> int:
        """Let waiting rows age while somebody could take them, and fail the overdue; how many failed."""
        Delivery.age()
        db.session.commit()
        ExecutorRequest.age()
        db.session.commit()
        with reading():
            late = [delivery.id for delivery in Delivery.overdue(self._seconds)]
            waiting = [request.id for request in ExecutorRequest.overdue(self._seconds)]
            db.session.rollback()
        failed = self._deliveries.run(late) + self._requests.run(waiting)
        AgentStatus.note_absent()
        db.session.commit()
        return failed

    def _fail_delivery(self, delivery_id: UUID) -> bool:
        for delivery in Delivery.overdue(self._seconds, only=delivery_id):
            project_id, key = delivery.project_id, delivery.target_agent_key
            agent = Agent.by_key(project_id, key, archived=True)
            name = agent.name if agent is not None else key
            failed = delivery.fail(f"{name} did not answer in {in_words(self._seconds)}")
            roster.rest(project_id, key)
            return failed
        return False

    def _fail_request(self, request_id: UUID) -> bool:
        reason = f"The executor did not take it in {in_words(self._seconds)}"
        return any(
            request.fail(None, reason) for request in ExecutorRequest.overdue(self._seconds, only=request_id)
        )


def in_words(seconds: float) -> str:
    return WORDS.get(round(seconds), f"{seconds:g} seconds")
