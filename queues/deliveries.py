"""The steps of a delivery in the worker: each is one short transaction in the database thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agents.context import Pack, packs
from models.base import db
from models.crashpoint import crashpoint
from models.delivery import Delivery
from models.message import Answer
from queues import roster
from realtime.registry import PUBLISHED


def look() -> None:
    """The RQ job: work may wait. It carries nothing, so a lost or doubled one does no harm.

    Nor does it do anything: the listener that takes it has woken its worker by then.
    """


@dataclass(frozen=True)
class Claimed:
    """A delivery that this worker holds, in plain data for the event loop."""

    id: UUID
    token: str
    attempt: int
    reply_id: UUID
    project_id: UUID
    thread_id: UUID
    agent_key: str
    stream: str

    @property
    def private(self) -> bool:
        """Whether it is answered in a direct conversation, of whose content the project is told nothing."""
        return self.stream.startswith("user:")


@dataclass(frozen=True)
class Doing:
    """What the holder of a lease does now."""

    claimed: Claimed
    status: str
    activity: str


def claim(limit: int) -> list[Claimed]:
    """Take up to `limit` waiting deliveries."""
    return [_claimed(delivery) for delivery in Delivery.claim(limit)]


def claim_one(delivery_id: UUID) -> list[Claimed]:
    """Take this one, unless somebody was first."""
    delivery = db.session.get_one(Delivery, delivery_id)
    return [_claimed(delivery)] if delivery.take() else []


def _claimed(delivery: Delivery) -> Claimed:
    [stream] = PUBLISHED[Delivery.__tablename__].streams(delivery)
    return Claimed(
        id=delivery.id,
        token=delivery.lease_token or "",
        attempt=delivery.attempts,
        reply_id=delivery.reply_id,
        project_id=delivery.project_id,
        thread_id=delivery.thread_id,
        agent_key=delivery.target_agent_key,
        stream=stream,
    )


def prepare(claimed: Sequence[Claimed]) -> dict[UUID, Pack]:
    """What each of these is answered from."""
    return packs([one.id for one in claimed]) if claimed else {}


def keep(tokens: Sequence[str], texts: Mapping[str, str], doing: Sequence[Doing]) -> dict[str, str | None]:
    """Renew the leases, save what was written, say what agents do: {token: wish}, without the lost ones."""
    held = Delivery.renew(tokens)
    for token in sorted(texts):
        Delivery.progress(token, texts[token])
    for now in sorted(doing, key=lambda now: (now.claimed.project_id, now.claimed.agent_key)):
        if now.claimed.token in held:
            activity = "" if now.claimed.private else now.activity
            roster.say(now.claimed.project_id, [now.claimed.agent_key], now.status, activity)
    return held


def finish(claimed: Claimed, said: Answer, usage: dict[str, Any], stopped_by: str | None = None) -> bool:
    """The answer is said; False when the lease was lost, and then nothing was changed."""
    delivery = db.session.get_one(Delivery, claimed.id)
    return _ended(claimed, delivery.finish(claimed.token, said, usage, stopped_by))


def stop(claimed: Claimed, said: Answer, usage: dict[str, Any]) -> bool:
    """A person ended it: what was written until then is the answer."""
    delivery = db.session.get_one(Delivery, claimed.id)
    by = delivery.stopped_by or "a person"
    return _ended(claimed, delivery.finish(claimed.token, said, usage, by))


def fail(claimed: Claimed, reason: str, text: str, usage: dict[str, Any] | None) -> bool:
    delivery = db.session.get_one(Delivery, claimed.id)
    Delivery.progress(claimed.token, text)
    return _ended(claimed, delivery.fail(reason, claimed.token, usage))


def put_back(claimed: Claimed, said: Answer, usage: dict[str, Any]) -> bool:
    """The worker stops: somebody else begins anew, unless a person wanted it to end anyway."""
    delivery = db.session.get_one(Delivery, claimed.id)
    if delivery.desired_status == "stopped":
        return stop(claimed, said, usage)
    return _ended(claimed, delivery.put_back(claimed.token))


def let_go(claimed: Claimed) -> None:
    """Somebody else decided about it: only the agent's line is set right."""
    roster.rest(claimed.project_id, claimed.agent_key)


def _ended(claimed: Claimed, changed: bool) -> bool:
    roster.rest(claimed.project_id, claimed.agent_key)
    crashpoint("finish.before_commit")
    return changed
