"""Making audits in the worker: rules collect the facts, and an agent words them, where a model is connected.

A skill of the project's own has no rules: an agent does what it says.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from models.base import db
from models.crashpoint import crashpoint
from models.inspection import CHANGED, Inspection
from models.run import Run
from models.skill_folder import own
from queues.here import here
from queues.reading import Quiet
from queues.turns import Claimed, Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.context import Pack
    from agents.loop import Outcome
    from agents.reported import Reported
    from agents.shell import Shell
    from agents.tools.tool import Job
    from models.finding import Looked
    from models.workspace import Workspace

BROKEN = "The audit could not be made, because of an error of the worker."
NO_MODEL = "No AI model is connected: the rules looked alone."
NO_AGENT = "No agent of this project can judge it: the rules looked alone."
CHANGED_MEANWHILE = "Files of the skill changed while it was run."
SAID_NOTHING = "The agent reported nothing: the findings are in the words of the rules."


class NotMade(Exception):
    """It came to nothing: why, in a sentence, and what it cost."""

    def __init__(self, why: str, usage: dict[str, Any] | None = None) -> None:
        super().__init__(why)
        self.usage = usage


@dataclass(frozen=True)
class Asked:
    """What is to be run: of a skill of the project's own, its folder, and the state in which it was seen."""

    name: str
    path: str
    revision: str | None


@dataclass(frozen=True)
class Judged:
    """What comes of it: `by` is the agent, none for the rules alone, and then `note` says why."""

    looked: Sequence[Looked]
    by: str | None = None
    note: str = ""
    usage: dict[str, Any] | None = None
    said: str = ""


async def carry_out(turns: Turns, claimed: Claimed) -> None:
    """Look, let an agent judge, and write down what was found, all at once. Cancelled, it is given back."""
    certainly, database = turns.database.certainly, turns.database
    asked = await certainly(database.read, asked_of, claimed.run_id)
    workspace = turns.workspace(claimed.project_key)
    job: Job = "audit" if asked.revision is None else "skill"
    shell = turns.shell(job, workspace, claimed.run_id)
    look = _audit if job == "audit" else _skill
    try:
        judged = await look(turns, claimed, asked, workspace, shell)
    except NotMade as why:
        await certainly(database.write, failed, claimed, str(why), why.usage)
        return
    finally:
        if shell is not None:
            await shell.close()
    if judged is None:
        await certainly(database.write, put_back, claimed)
        return
    await certainly(database.write, done, claimed, judged)
    crashpoint("audit.recorded")


async def _audit(
    turns: Turns, claimed: Claimed, asked: Asked, workspace: Workspace, shell: Shell | None
) -> Judged | None:
    """One that ships. None when the worker was told to stop."""
    # Here, since a worker that only carries out actions need not load the tools of agents.
    from agents.auditor import pack
    from agents.audits import RULES, Place, look_at
    from agents.reported import Reported
    from agents.secrecy import without_secrets

    read = turns.database.read
    place = Place(claimed.project_id, read, workspace, shell)
    looked = await look_at(asked.name, RULES[asked.name], place)
    crashpoint("audit.looked")
    if not claimed.agent_key or turns.by_rule():
        return Judged(looked, note=NO_MODEL if claimed.agent_key else NO_AGENT)
    reported = Reported(asked.name, looked)
    given = await turns.database.certainly(read, pack, claimed.run_id, looked)
    outcome = await _answer(turns, claimed, "audit", given, reported, workspace, shell)
    if outcome.status == "cancelled":
        return None
    # Whatever it said in time counts, since nothing that it says can hide a fact.
    note = outcome.error or (SAID_NOTHING if reported.empty else "")
    if reported.empty:
        return Judged(looked, note=note, usage=outcome.usage)
    said = without_secrets(outcome.text)
    return Judged(reported.judged(), claimed.agent_key, note, outcome.usage, said)


async def _skill(
    turns: Turns, claimed: Claimed, asked: Asked, workspace: Workspace, shell: Shell | None
) -> Judged | None:
    """One of the project's own; NotMade where it came to nothing. None when the worker was told to stop."""
    from agents.reported import Reported
    from agents.secrecy import without_secrets
    from agents.skill_run import pack

    folder = await asyncio.to_thread(own, workspace, asked.path)
    if folder is None or folder.revision != asked.revision:
        raise NotMade(CHANGED)
    reported = Reported(asked.name, ())
    given = await turns.database.certainly(turns.database.read, pack, claimed.run_id, folder.manifest)
    outcome = await _answer(turns, claimed, "skill", given, reported, workspace, shell)
    if outcome.status == "cancelled":
        return None
    if outcome.error and reported.empty and not outcome.text:
        raise NotMade(outcome.error, outcome.usage)
    after = await asyncio.to_thread(own, workspace, asked.path)
    same = after is not None and after.revision == asked.revision
    note = " ".join(filter(None, [outcome.error, "" if same else CHANGED_MEANWHILE]))
    said = without_secrets(outcome.text)
    return Judged(reported.judged(), claimed.agent_key, note, outcome.usage, said)


async def _answer(
    turns: Turns,
    claimed: Claimed,
    job: Job,
    given: Pack,
    reported: Reported,
    workspace: Workspace,
    shell: Shell | None,
) -> Outcome:
    context = replace(turns.context(claimed, workspace, shell), reported=reported)
    return await turns.answer(job, given, context, Quiet(), lambda tools: tools)


# The steps, each one short transaction in the database thread.


def claim(run_id: UUID) -> Claimed | None:
    """Take it for this process; None when another was first, or nothing may be found here now."""
    held = Inspection.hold(run_id)
    token = held.claim(here())
    return Claimed.of(held, token) if token is not None else None


def asked_of(run_id: UUID) -> Asked:
    run = db.session.get_one(Run, run_id)
    return Asked(str(run.audit), run.params.get("path", ""), run.params.get("revision"))


def done(claimed: Claimed, judged: Judged) -> bool:
    held = Inspection.hold(claimed.run_id)
    ended = held.done(claimed.token, judged.looked, judged.by, judged.note, judged.usage, judged.said)
    crashpoint("audit.before_commit")
    return ended


def put_back(claimed: Claimed) -> bool:
    return Inspection.hold(claimed.run_id).put_back(claimed.token)


def failed(claimed: Claimed, reason: str, usage: dict[str, Any] | None = None) -> bool:
    return Inspection.hold(claimed.run_id).failed(claimed.token, reason, usage)


def broken(claimed: Claimed) -> bool:
    return failed(claimed, BROKEN)
