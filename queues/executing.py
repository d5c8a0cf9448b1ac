"""Carrying out approved plans in the worker: an agent's turn with a shell, every command of it told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any
from uuid import UUID

from agents.executor import is_incomplete, pack
from agents.quoting import storable
from models.crashpoint import crashpoint
from models.order import POST_OP
from models.plan_execution import PlanExecution
from models.run_event import LONGEST
from models.skill_folder import revision_of
from queues.here import here
from queues.turns import Claimed, Turns

if TYPE_CHECKING:
    from agents.loop import Outcome, Tools
    from agents.shell import Shell
    from agents.tools.registry import ToolResult

log = logging.getLogger(__name__)

BROKEN = "the worker failed while it was being carried out"
NO_ISOLATION = (
    "This worker has nothing that keeps commands apart from the rest of the machine."
    " `flask --app webapp doctor` names what is missing."
)
TOLD_EVERY = 0.5
"""Seconds between two savings of what happened."""
KEPT = 4 << 20
"""Characters of one run that are kept; of what comes after, only that it was not."""
NOT_KEPT = "More is not kept."


class Journal:
    """The sink of the turn: what it says, runs and prints becomes rows, a few at a time."""

    def __init__(self, turns: Turns, claimed: Claimed) -> None:
        self._database, self._claimed = turns.database, claimed
        self._waiting: list[tuple[str, str]] = []
        self._room = KEPT
        self._lock = asyncio.Lock()
        self._saved_at = 0.0

    def text(self, delta: str) -> None:
        self._add("said", delta)

    def status(self, kind: str, detail: str) -> None:
        """Each command says more than that a tool is used."""

    def reset(self, offset: int) -> None:
        self.note("The model's answer broke off; it is asked again.")

    async def command(self, what: str) -> None:
        self._add("command", what)
        await self.save()

    def note(self, text: str) -> None:
        """What the worker itself has to say."""
        self._add("note", text)

    async def output(self, text: str) -> None:
        """While it is being saved the command waits, so that memory stays bounded."""
        self._add("output", text)
        if asyncio.get_running_loop().time() - self._saved_at > TOLD_EVERY:
            await self.save()

    async def step(self, number: int) -> bool:
        """Show it as the one that goes on; False when the plan has none of that number."""
        database = self._database
        return await database.certainly(database.write, begin_step, self._claimed, number)

    async def save(self) -> None:
        """Cancelled, it is still written: what is taken from the list is not lost."""
        await asyncio.shield(asyncio.create_task(self._save()))

    async def _save(self) -> None:
        async with self._lock:
            told, self._waiting = self._waiting, []
            if told:
                await self._database.certainly(self._database.write, tell, self._claimed, told)
            self._saved_at = asyncio.get_running_loop().time()

    async def keep_saving(self) -> None:
        """What is said while no command prints is shown, too."""
        while True:
            await asyncio.sleep(TOLD_EVERY)
            await self.save()

    def _add(self, kind: str, text: str) -> None:
        if self._room <= 0 or not text:
            return
        text = storable(text)
        self._room -= len(text)
        if self._room <= 0:
            kind, text = "note", NOT_KEPT
        if (
            self._waiting
            and self._waiting[-1][0] == kind
            and len(self._waiting[-1][1]) + len(text) <= LONGEST
        ):
            text = self._waiting.pop()[1] + text
        self._waiting += [(kind, text[at : at + LONGEST]) for at in range(0, len(text), LONGEST)]


class Watched:
    """The tools of an execution: each call is told before it is made."""

    def __init__(self, tools: Tools, journal: Journal) -> None:
        self._tools, self._journal = tools, journal

    def definitions(self) -> list[dict[str, Any]]:
        return self._tools.definitions()

    async def call(self, name: str, arguments: Any) -> ToolResult:
        await self._journal.command(_words(name, arguments))
        crashpoint("execution.command")
        result = await self._tools.call(name, arguments)
        if result.is_error:
            await self._journal.output(f"{result.text}\n")
        await self._journal.save()
        return result


def _words(name: str, arguments: Any) -> str:
    given = arguments if isinstance(arguments, dict) else {}
    if name == "begin_step":
        return f"step {given.get('number')}"
    if name == "bash":
        return f"$ {given.get('command', '')}"
    return f"{name} {given.get('path') or given.get('query') or ''}".strip()


async def carry_out(turns: Turns, claimed: Claimed) -> None:
    """Begin it, answer, and write down how that ended; cancelled, it was stopped or given back."""
    certainly, write = turns.database.certainly, turns.database.write
    workspace = turns.workspace(claimed.project_key)
    shell = turns.shell("execution", workspace, claimed.run_id)
    if shell is None:
        await certainly(write, failed, claimed, NO_ISOLATION)
        return
    given = await certainly(turns.database.read, pack, claimed.run_id)
    if not await certainly(write, begin, claimed):
        return
    crashpoint("execution.begun")
    outcome, left = await _answered(turns, claimed, given, workspace, shell)
    crashpoint("execution.done")
    await certainly(write, ended, claimed, outcome, left)
    crashpoint("execution.recorded")


async def _answered(
    turns: Turns, claimed: Claimed, given: Any, workspace: Any, shell: Shell
) -> tuple[Outcome, int]:
    """The outcome, and how many processes of the run are left."""
    journal = Journal(turns, claimed)
    journal.note(f"Commands are held apart from the machine by: {shell.isolation.name}.")
    context = turns.context(claimed, workspace, shell, output=journal.output, on_step=journal.step)
    saving = asyncio.create_task(journal.keep_saving())
    try:
        outcome = await turns.answer(
            "execution", given, context, journal, lambda tools: Watched(tools, journal)
        )
    finally:
        saving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await saving
        left = await shell.close()
    await journal.save()
    return outcome, left


# The steps, each one short transaction in the database thread.


def claim(run_id: UUID) -> Claimed | None:
    """Take it for this process; None when another was first, or it is not to be carried out."""
    revision = revision_of(POST_OP)
    held = PlanExecution.hold(run_id)
    token = held.claim(here(), revision)
    return Claimed.of(held, token) if token is not None else None


def begin(claimed: Claimed) -> bool:
    """Once this is committed something may have happened in the world. False: it must not."""
    revision = revision_of(POST_OP)
    return PlanExecution.hold(claimed.run_id).begin(claimed.token, revision)


def tell(claimed: Claimed, events: list[tuple[str, str]]) -> bool:
    return PlanExecution.hold(claimed.run_id).tell(claimed.token, events)


def begin_step(claimed: Claimed, number: int) -> bool:
    return PlanExecution.hold(claimed.run_id).begin_step(claimed.token, number)


def ended(claimed: Claimed, outcome: Outcome, left: int) -> bool:
    """How it ended: done, stopped by a person, given back, or failed with its reason."""
    held = PlanExecution.hold(claimed.run_id)
    match outcome.status:
        case "done" if not is_incomplete(outcome.text):
            return held.done(claimed.token, outcome.text, outcome.usage)
        case "done":
            why = "The agent says that not all of it was done."
            return held.failed(claimed.token, why, outcome.text, outcome.usage)
        case "cancelled" if held.run.desired_status == "cancelled":
            return held.stopped(claimed.token, left, outcome.text, outcome.usage)
        case "cancelled":
            return held.put_back(claimed.token)
    return held.failed(claimed.token, outcome.error, outcome.text, outcome.usage)


def failed(claimed: Claimed, reason: str) -> bool:
    return PlanExecution.hold(claimed.run_id).failed(claimed.token, reason)


def put_back(claimed: Claimed) -> bool:
    return PlanExecution.hold(claimed.run_id).put_back(claimed.token)


def broken(claimed: Claimed) -> bool:
    """An error of ours: it failed, or nobody knows whether it happened when it had begun."""
    held = PlanExecution.hold(claimed.run_id)
    if held.run.progress_at is not None:
        return held.unknown(claimed.token, BROKEN)
    return held.failed(claimed.token, f"Not carried out: {BROKEN}.")
