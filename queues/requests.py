"""Requests to the executor: each is taken, carried out and answered in one transaction."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from models.agent import Agent
from models.base import db
from models.brain_doc import BrainDoc
from models.errors import DomainError
from models.executor_request import ExecutorRequest
from models.user import Membership
from queues import skills
from queues.database import AWAY, DatabaseThread

log = logging.getLogger(__name__)

BROKEN = "This could not be done, because of an error of the worker."
NOT_YET = "This installation cannot do that yet."
_thread = ThreadPoolExecutor(1, thread_name_prefix="errands")
"""Not the loop's own threads, for which a process that ends would wait, however long a disk hangs."""
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


def _check_skills(request: ExecutorRequest, found: Any) -> dict[str, Any]:
    if request.requested_by is not None:
        Membership.must_allow("skill.check", request.project_id, request.requested_by)
    return skills.record(request, found)


PREPARED: Mapping[str, Callable[[ExecutorRequest], Callable[[], Any]]] = {"skill_check": skills.ready}
"""Kinds for which something is found out first, which no transaction may wait for: what does that."""
CARRIED_OUT: Mapping[str, Callable[..., dict[str, Any]]] = {
    "agent_provision": _provision,
    "doc_edit": _edit_doc,
    "skill_check": _check_skills,
}
"""What carries each kind out; where something was found out first, it is given that too."""


def prepare(request_id: UUID) -> Callable[[], Any] | None:
    """What has to be done outside of the database before the request can be carried out."""
    request = db.session.get_one(ExecutorRequest, request_id)
    return PREPARED[request.kind](request) if request.kind in PREPARED else None


def carry_out(request_id: UUID, *found: Any) -> bool:
    """Do it and say so; False when another worker had taken it. DomainError says why it cannot be done."""
    request = db.session.get_one(ExecutorRequest, request_id)
    token = request.take()
    if token is None:
        return False
    if request.kind not in CARRIED_OUT:
        raise NotYet(NOT_YET)
    return request.finish(token, CARRIED_OUT[request.kind](request, *found))


def refuse(request_id: UUID, reason: str) -> bool:
    return db.session.get_one(ExecutorRequest, request_id).fail(None, reason)


async def _beside(find_out: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(_thread, find_out)


async def work_off(database: DatabaseThread, queue: str) -> None:
    """Carry out what waits for this queue. A crash leaves a request as it was: there is no state between."""
    for request_id in await database.read(ExecutorRequest.waiting, queue):
        try:
            find_out = await database.read(prepare, request_id)
            found = [] if find_out is None else [await _beside(find_out)]
            await database.write(carry_out, request_id, *found)
        except AWAY:
            raise
        except DomainError as refusal:
            await database.write(refuse, request_id, refusal.message)
        except Exception:  # one that cannot be done must not hold up the others
            log.exception("request %s cannot be carried out", request_id)
            await database.write(refuse, request_id, BROKEN)
