"""The chat worker: claims deliveries, answers up to 16 at once, and keeps its leases."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

from flask import Flask

from agents import loop as agent_loop
from agents.context import Pack
from agents.loop import Outcome
from agents.provider import Provider, ProviderSettings, provider_from
from agents.tools import registry
from agents.tools.tool import ToolContext
from models.crashpoint import crashpoint
from models.delivery import Delivery
from models.message import Answer
from models.worker import CHAT
from queues import deliveries
from queues.answering import Answering, Why, show
from queues.database import AWAY
from queues.deliveries import Claimed
from queues.loop import GIVE_UP_SECONDS, WorkerLoop
from queues.model import settings_of

log = logging.getLogger(__name__)

Packs = Mapping[UUID, Pack]

BROKEN = "The answer could not be made, because of an error of the worker."


class ChatWorker(WorkerLoop[Answering]):
    """Claims deliveries, a slot for each, and answers them side by side."""

    def __init__(self, app: Flask, settings: ProviderSettings) -> None:
        super().__init__(app, CHAT, app.config["CHAT_SLOTS"])
        self._settings = settings

    async def begin(self) -> None:
        self._provider: Provider = provider_from(self._settings)
        log.info("answering with %s, %d at once", self._provider.label, self._slots)

    async def end(self) -> None:
        await self._provider.aclose()

    # One round: take what waits, keep what is held.

    async def keep(self) -> None:
        """Renew the leases, save the texts, say what agents do; end what a person or another decided."""
        live = dict(self._live)
        if not live:
            return
        texts = {token: text for token, one in live.items() if (text := one.unsaved()) is not None}
        doing = [now for one in live.values() if (now := one.unsaid()) is not None]
        try:
            held = await self._database.write(deliveries.keep, list(live), texts, doing)
        except Exception:
            for one in live.values():
                one.say_again()
            raise
        for token, one in live.items():
            if token not in held:
                one.cancel("lost")
            elif held[token] == "stopped":
                one.cancel("stopped")

    async def look(self) -> None:
        free = self._slots - len(self._live)
        if free > 0:
            self._begin(*await self._claim(free))

    async def _claim(self, free: int) -> tuple[list[Claimed], Packs]:
        """What was taken, and what its answers are made from; what is missing there is prepared alone."""
        if not self._aside:
            try:
                taken, packs = await self._database.write_then_read(
                    deliveries.claim, deliveries.prepare, free
                )
                return taken, packs or {}
            except AWAY:
                raise
            except Exception:  # one of them is broken; which one, is found by taking each alone
                log.exception("deliveries could not be claimed together")
        return await self._claim_singly(free), {}

    async def _claim_singly(self, free: int) -> list[Claimed]:
        claimed: list[Claimed] = []
        aside = self._aside
        waiting = await self._database.read(Delivery.waiting, free + len(aside) + 1)
        for delivery_id in waiting:
            if delivery_id in aside or len(claimed) >= free:
                continue
            try:
                claimed += await self._database.write(deliveries.claim_one, delivery_id)
            except AWAY:
                break
            except Exception:  # it must not hold up the others; the watchdog ends it
                log.exception("delivery %s cannot be claimed", delivery_id)
                self._put_aside(delivery_id)
                self._look_at = 0.0
        return claimed

    # One turn.

    def _begin(self, taken: Sequence[Claimed], packs: Packs) -> None:
        if taken:
            crashpoint("claim.after_commit")
        for claimed in taken:
            one = Answering(claimed, self._bus.publish, self._woken.set)
            self._live[claimed.token] = one
            one.show()
            one.task = asyncio.create_task(self._answer(one, packs.get(claimed.id)))

    async def _answer(self, one: Answering, given: Pack | None) -> None:
        try:
            outcome = await self._outcome(one, given)
            one.end()
            if await self._record(one, outcome):
                crashpoint("finish.after_commit")
        except Exception:  # the row must not wait for its lease to run out
            log.exception("the answer to delivery %s failed", one.claimed.id)
            await self._broken(one)
        finally:
            del self._live[one.claimed.token]
            self._show_rest(one.claimed)
            self.wake()

    async def _outcome(self, one: Answering, given: Pack | None) -> Outcome:
        claimed = one.claimed
        try:
            if given is None:
                made = await self._database.certainly(self._database.read, deliveries.prepare, [claimed])
                given = made[claimed.id]
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            return Outcome("cancelled", "")
        context = ToolContext(
            claimed.project_id,
            claimed.thread_id,
            claimed.agent_key,
            db=self._database.read,
            write=self._database.write,
            work=claimed.id,
            lease=claimed.token,
        )
        return await agent_loop.run(
            given.turn,
            provider=self._provider,
            tools=registry.for_job("chat").bind(context),
            budget=given.budget,
            sink=one,
        )

    async def _record(self, one: Answering, outcome: Outcome) -> bool:
        """Write how it ended, in one transaction; False when that was somebody else's to say."""
        claimed, text = one.claimed, outcome.text
        usage = outcome.usage | ({"demo": True} if self._provider.demo else {})
        # Long markdown takes a second, which neither a transaction nor the other answers may wait for.
        said = await asyncio.to_thread(Answer.of, text)
        certainly = partial(self._database.certainly, self._database.write)
        match outcome.status, one.why:
            case "cancelled", "stopped":
                return await certainly(deliveries.stop, claimed, said, usage)
            case "cancelled", "lost":
                await certainly(deliveries.let_go, claimed)
                return False
            case "cancelled", _:
                return await certainly(deliveries.put_back, claimed, said, usage)
            case "done", _:
                return await certainly(deliveries.finish, claimed, said, usage)
            case "stopped", _ if text.strip():
                return await certainly(deliveries.finish, claimed, said, usage, _limit(outcome.error))
        return await certainly(deliveries.fail, claimed, outcome.error, text, usage)

    async def _broken(self, one: Answering) -> None:
        one.end()
        try:
            await self._database.certainly(
                self._database.write, deliveries.fail, one.claimed, BROKEN, one.written, None
            )
        except Exception:  # its lease is no longer renewed, so the sweeper will decide
            log.exception("delivery %s could not even fail", one.claimed.id)

    def _show_rest(self, claimed: Claimed) -> None:
        others = [o for o in self._live.values() if o.claimed.agent_key == claimed.agent_key]
        same = [o for o in others if o.claimed.project_id == claimed.project_id]
        if same:
            same[-1].show()
        else:
            show(self._bus.publish, claimed, "idle")

    # The end.

    async def give_back(self) -> None:
        self._cancel_all("drained")
        if tasks := self._tasks:
            _, left = await asyncio.wait(tasks, timeout=GIVE_UP_SECONDS)
            log.info("%d answers were put back", len(tasks) - len(left))

    def _cancel_all(self, why: Why) -> None:
        for one in list(self._live.values()):
            one.cancel(why)


def _limit(sentence: str) -> str:
    """Who stopped it, when its budget did."""
    return f"a limit ({sentence.rstrip('.').lower()})" if sentence else "a limit"


def worker_of(app: Flask) -> ChatWorker:
    return ChatWorker(app, settings_of(app.config))
