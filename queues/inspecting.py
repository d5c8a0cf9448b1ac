"""Making audits in the worker: rules collect the facts; an agent words them, where a model is connected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from models.base import db
from models.crashpoint import crashpoint
from models.inspection import Inspection
from models.run import Run
from queues.here import here
from queues.reading import Quiet
from queues.turns import Claimed, Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.loop import Outcome
    from agents.shell import Shell
    from models.finding import Looked
    from models.workspace import Workspace

BROKEN = "The audit could not be made, because of an error of the worker."
NO_MODEL = "No AI model is connected: the rules looked alone."
NO_AGENT = "No agent of this project can judge it: the rules looked alone."
SAID_NOTHING = "The agent reported nothing: the findings are in the words of the rules."


@dataclass(frozen=True)
class Judged:
    """What comes of it: `by` is the agent, none for the rules alone, and then `note` says why."""

    looked: Sequence[Looked]
    by: str | None = None
    note: str = ""
    usage: dict[str, Any] | None = None


async def carry_out(turns: Turns, claimed: Claimed) -> None:
    """Look, let an agent judge, and write down what was found, all at once. Cancelled, it is given back."""
    # Here, since a worker that only carries out actions need not load the tools of agents.
    from agents.audits import RULES, Place, look_at

    certainly, database = turns.database.certainly, turns.database
    audit = await certainly(database.read, name_of, claimed.run_id)
    workspace = turns.workspace(claimed.project_key)
    shell = turns.shell("audit", workspace, claimed.run_id)
    try:
        place = Place(claimed.project_id, database.read, workspace, shell)
        looked = await look_at(audit, RULES[audit], place)
        crashpoint("audit.looked")
        judged = await _judged(turns, claimed, audit, looked, workspace, shell)
    finally:
        if shell is not None:
            await shell.close()
    if judged is None:
        await certainly(database.write, put_back, claimed)
        return
    await certainly(database.write, done, claimed, judged)
    crashpoint("audit.recorded")


async def _judged(
    turns: Turns,
    claimed: Claimed,
    audit: str,
    looked: Sequence[Looked],
    workspace: Workspace,
    shell: Shell | None,
) -> Judged | None:
    """None when the worker was told to stop."""
    if not claimed.agent_key or turns.by_rule():
        return Judged(looked, note=NO_MODEL if claimed.agent_key else NO_AGENT)
    from agents.auditor import pack
    from agents.reported import Reported

    reported = Reported(audit, looked)
    context = replace(turns.context(claimed, workspace, shell), reported=reported)
    given = await turns.database.certainly(turns.database.read, pack, claimed.run_id, looked)
    outcome: Outcome = await turns.answer("audit", given, context, Quiet(), lambda tools: tools)
    if outcome.status == "cancelled":
        return None
    # Whatever it said in time counts, since nothing that it says can hide a fact.
    note = outcome.error or (SAID_NOTHING if reported.empty else "")
    by = None if reported.empty else claimed.agent_key
    return Judged(reported.judged(), by, note, outcome.usage)


# The steps, each one short transaction in the database thread.


def claim(run_id: UUID) -> Claimed | None:
    """Take it for this process; None when another was first, or nothing may be found here now."""
    held = Inspection.hold(run_id)
    token = held.claim(here())
    return Claimed.of(held, token) if token is not None else None


def name_of(run_id: UUID) -> str:
    return str(db.session.get_one(Run, run_id).audit)


def done(claimed: Claimed, judged: Judged) -> bool:
    held = Inspection.hold(claimed.run_id)
    ended = held.done(claimed.token, judged.looked, judged.by, judged.note, judged.usage)
    crashpoint("audit.before_commit")
    return ended


def put_back(claimed: Claimed) -> bool:
    return Inspection.hold(claimed.run_id).put_back(claimed.token)


def broken(claimed: Claimed) -> bool:
    return Inspection.hold(claimed.run_id).failed(claimed.token, BROKEN)
