"""Runs of an agent whose tools only read: a plan is made so, and what an execution did is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from agents.context import Pack
from models.errors import Conflict
from models.planning import Planning
from models.post_op import PostOp
from queues.here import here
from queues.turns import Claimed, Turns

if TYPE_CHECKING:
    from agents.loop import Outcome

BROKEN = "It came to nothing, because of an error of the worker."


class Quiet:
    """The sink of a turn that nobody watches word by word: its answer counts as a whole."""

    def text(self, delta: str) -> None:
        """Kept by the loop."""

    def status(self, kind: str, detail: str) -> None:
        """The task says what is done."""

    def reset(self, offset: int) -> None:
        """Kept by the loop."""


class Reading:
    """`rows` are those that change together, and `pack` says from what the answer is made."""

    def __init__(self, rows: type[Planning | PostOp], pack: Callable[[UUID], Pack]) -> None:
        self._rows, self._pack = rows, pack

    async def carry_out(self, turns: Turns, claimed: Claimed) -> None:
        """Answer, and write down how that ended. Cancelled, it gives the run back."""
        certainly, database = turns.database.certainly, turns.database
        try:
            given = await certainly(database.read, self._pack, claimed.run_id)
        except Conflict as why:  # what it would be made from is not there any more
            await certainly(database.write, self.failed, claimed, why.message)
            return
        workspace = turns.workspace(claimed.project_key)
        shell = turns.shell("planning", workspace, claimed.run_id)
        context = turns.context(claimed, workspace, shell)
        try:
            outcome = await turns.answer("planning", given, context, Quiet(), lambda tools: tools)
        finally:
            if shell is not None:
                await shell.close()
        await certainly(database.write, self.ended, claimed, outcome)

    # The steps, each one short transaction in the database thread.

    def claim(self, run_id: UUID) -> Claimed | None:
        """Take it for this process; None when another was first, or nobody wants it any more."""
        held = self._rows.hold(run_id)
        token = held.claim(here())
        return Claimed.of(held, token) if token is not None else None

    def ended(self, claimed: Claimed, outcome: Outcome) -> bool:
        held = self._rows.hold(claimed.run_id)
        match outcome.status:
            case "done":
                return held.done(claimed.token, outcome.text, outcome.usage)
            case "cancelled":
                return held.put_back(claimed.token)
        return held.failed(claimed.token, outcome.error, outcome.text, outcome.usage)

    def failed(self, claimed: Claimed, reason: str) -> bool:
        return self._rows.hold(claimed.run_id).failed(claimed.token, reason)

    def put_back(self, claimed: Claimed) -> bool:
        return self._rows.hold(claimed.run_id).put_back(claimed.token)

    def broken(self, claimed: Claimed) -> bool:
        return self.failed(claimed, BROKEN)
