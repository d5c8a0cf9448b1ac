"""Requests to the executor: each is taken, carried out and answered in one transaction."""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from models.agent import Agent
from models.base import db
from models.brain_doc import BrainDoc
from models.errors import DomainError
from models.executor_request import ExecutorRequest
from models.user import Membership
from queues.database import AWAY, DatabaseThread

log = logging.getLogger(__name__)

BROKEN = "This could not be done, because of an error of the worker."
NOT_YET = "This installation cannot do that yet."
PROVISIONED = ("key", "name", "title", "persona", "model", "runtime")


class NotYet(DomainError):
    """Nothing here carries out this kind."""


def _provision(request: ExecutorRequest) -> dict[str, Any]:
    Membership.must_allow("agent.provision", request.project_id, request.requested_by)
    wanted = {name: request.payload[name] for name in PROVISIONED if name in request.payload}
    agent = Agent.provision(request.project_id, **wanted)
    return {"agent_id": str(agent.id), "key": agent.key}


def _edit_doc(request: ExecutorRequest) -> dict[str, Any]:
    doc = BrainDoc.carry_out(request)
    return {"doc_id": str(doc.id), "version": doc.version, "digest": doc.digest}


CARRIED_OUT: Mapping[str, Callable[[ExecutorRequest], dict[str, Any]]] = {
    "agent_provision": _provision,
    "doc_edit": _edit_doc,
}


def carry_out(request_id: UUID) -> bool:
    """Do it and say so; False when another worker had taken it. DomainError says why it cannot be done."""
    request = db.session.get_one(ExecutorRequest, request_id)
    token = request.take()
    if token is None:
        return False
    if request.kind not in CARRIED_OUT:
        raise NotYet(NOT_YET)
    return request.finish(token, CARRIED_OUT[request.kind](request))


def refuse(request_id: UUID, reason: str) -> bool:
    return db.session.get_one(ExecutorRequest, request_id).fail(None, reason)


async def work_off(database: DatabaseThread) -> None:
    """Carry out what waits. A crash leaves a request as it was: there is no state between."""
    for request_id in await database.read(ExecutorRequest.waiting):
        try:
            await database.write(carry_out, request_id)
        except AWAY:
            raise
        except DomainError as refusal:
            await database.write(refuse, request_id, refusal.message)
        except Exception:  # one that cannot be done must not hold up the others
            log.exception("request %s cannot be carried out", request_id)
            await database.write(refuse, request_id, BROKEN)
