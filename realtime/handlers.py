"""What a client may send: a registry of events, each with its schema, its policy and its rate."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from marshmallow import Schema, ValidationError, fields, validate
from sqlalchemy.exc import DBAPIError

from models import labs
from models.base import db
from models.errors import DomainError, Forbidden, NotFound, SignInNeeded, TooMany
from models.policy import OPEN, SIGNED_IN, Principal, known
from models.thread import Thread
from realtime import streams
from realtime.callers import Caller
from realtime.hardening import Rate, Refused

log = logging.getLogger(__name__)

Answer = dict[str, Any]
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Desk(Protocol):
    """What handlers need of the server."""

    def join(self, caller: Caller, stream: str) -> None: ...
    def leave(self, caller: Caller, stream: str) -> None: ...
    def tell(self, event: str, payload: Answer, stream: str, but: Caller) -> None: ...


@dataclass(frozen=True)
class Call:
    """One event of one client: who, allowed to do what, at which desk."""

    caller: Caller
    principal: Principal
    desk: Desk


@dataclass(frozen=True)
class Event:
    schema: Schema
    policy: str
    rate: tuple[int, float]
    handle: Callable[..., Answer | None]


EVENTS: dict[str, Event] = {}
Handler = Callable[..., Answer | None]


def on(
    name: str, schema: type[Schema], *, policy: str, rate: tuple[int, float]
) -> Callable[[Handler], Handler]:
    """Register a handler; the application does not start with an event whose policy is not known.

    A right as policy is checked by the handler through `allow`, which knows the project.
    """
    if not known(policy) or policy == OPEN:
        raise ValueError(f"the event {name} needs a policy")
    if name in EVENTS or name in ("connect", "disconnect"):
        raise ValueError(f"the event {name} exists")

    def register(handle: Handler) -> Handler:
        EVENTS[name] = Event(schema(), policy, rate, handle)
        return handle

    return register


class Subscribe(Schema):
    stream = fields.String(required=True, validate=validate.Regexp(f"^(?:project|admin|user):{_UUID}\\Z"))
    since = fields.Integer(required=True, strict=True, validate=validate.Range(0, 2**53))


class Unsubscribe(Schema):
    stream = fields.String(required=True, validate=validate.Length(max=64))


class Typing(Schema):
    thread_id = fields.UUID(required=True)


@on("subscribe", Subscribe, policy=SIGNED_IN, rate=(60, 10.0))
def subscribe(call: Call, stream: str, since: int) -> Answer:
    """Join first, then read what was missed: nothing can fall between the two."""
    if not streams.may_read(call.principal, stream):
        raise NotFound
    call.desk.join(call.caller, stream)
    # A right withdrawn before we joined was not yet ours to lose: look again from inside.
    db.session.rollback()
    standing = call.caller.standing()
    if standing is None or not streams.may_read(standing.principal, stream):
        call.desk.leave(call.caller, stream)
        raise NotFound
    return streams.catch_up(stream, since)


@on("unsubscribe", Unsubscribe, policy=SIGNED_IN, rate=(60, 10.0))
def unsubscribe(call: Call, stream: str) -> None:
    call.desk.leave(call.caller, stream)


@on("typing", Typing, policy="thread.type", rate=(20, 10.0))
def typing(call: Call, thread_id: UUID) -> None:
    """Only the room hears it: nobody else is in a DM."""
    thread = db.session.get(Thread, thread_id)
    if thread is None or (thread.kind == "dm" and thread.owner_user_id != call.principal.id):
        raise NotFound
    allow(call.principal, "thread.type", thread.project_id)
    if thread.kind == "room" and labs.enabled("team_room", thread.project_id):
        payload = {"thread_id": str(thread_id), "user_id": str(call.principal.id)}
        call.desk.tell("typing", payload, f"project:{thread.project_id}", but=call.caller)


def allow(principal: Principal, right: str, project_id: UUID) -> None:
    if not principal.may("project.read", project_id):
        raise NotFound
    if not principal.may(right, project_id):
        raise Forbidden("your role may not do this")


def answer(desk: Desk, caller: Caller, name: str, payload: Any) -> Answer:
    """Check rate, shape and rights, do it, and say how it went; Refused when the client is at fault."""
    event = EVENTS.get(name)
    if event is None:
        raise Refused(_refusal("unknown_event", "there is no such event"))
    try:
        _count(caller, name, event)
        words: dict[str, Any] = event.schema.load(payload)
        standing = caller.standing()
        if standing is None:
            raise SignInNeeded
        caller.until = standing.until
        return {"ok": True, **(event.handle(Call(caller, standing.principal, desk), **words) or {})}
    except ValidationError as error:
        said = error.normalized_messages()
        problems = {"payload" if name == "_schema" else name: why for name, why in said.items()}
        raise Refused(_refusal("invalid", "this is not what the event takes", problems)) from None
    except TooMany as error:
        raise Refused(_refusal(error.code, error.message)) from None
    except DomainError as error:
        return _refusal(error.code, error.message, error.fields)
    except DBAPIError:
        log.exception("the database failed an event")
        return _refusal("busy", "the database is busy, try again in a moment")


def _count(caller: Caller, name: str, event: Event) -> None:
    rate = caller.rates.setdefault(name, Rate(*event.rate))
    if not (caller.events.allows() and rate.allows()):
        raise TooMany("too many events, wait a little", retry_after=10)


def _refusal(code: str, message: str, problems: Any = None) -> Answer:
    return {"ok": False, "error": {"code": code, "message": message, "fields": problems or {}}}
