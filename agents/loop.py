"""The one loop that answers a turn: call the model, run the tools it asks for, until it is done."""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agents.errors import AnswerRefused, BudgetSpent, ModelFailed
from agents.provider import ModelCall, Provider, Request
from agents.quoting import storable
from agents.retry import Retry
from agents.sink import Sink
from agents.tools.registry import ToolResult
from agents.turn import Turn
from agents.usage import Budget, Meter

log = logging.getLogger(__name__)

GAP = "\n\n"
CUT = "The answer was cut at its length limit."
CUT_CALL = "The answer was cut inside a tool call, so the tool was not run."
ENDINGS = {
    "refusal": "The model declined to answer.",
    "model_context_window_exceeded": "The conversation is too long for this model.",
}

Status = Literal["done", "stopped", "cancelled", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a turn ended; text is what was written up to then, also when it failed."""

    status: Status
    text: str
    error: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    turns: int = 0
    tools: list[str] = field(default_factory=list)


class Tools(Protocol):
    """What a turn needs of a toolset; see agents.tools.registry.Toolset."""

    def definitions(self) -> list[dict[str, Any]]: ...

    async def call(self, name: str, arguments: Any) -> ToolResult: ...


async def run(
    turn: Turn,
    *,
    provider: Provider,
    tools: Tools,
    budget: Budget,
    sink: Sink,
    retry: Retry | None = None,
) -> Outcome:
    """Answer the turn. Cancelling the task ends it at once, with the text so far as the outcome."""
    answer = _Answer(turn, provider, tools, budget, sink, retry or Retry())
    try:
        async with asyncio.timeout(budget.seconds):
            await answer.write()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        return answer.outcome("cancelled")
    except TimeoutError:
        return answer.outcome("stopped", f"The time limit of {budget.seconds:g} s was reached.")
    except BudgetSpent as limit:
        return answer.outcome("stopped", str(limit))
    except ModelFailed as failure:
        return answer.outcome("failed", answer.retry.sentence(failure))
    except AnswerRefused as refusal:
        return answer.outcome("failed", str(refusal))
    return answer.outcome("done")


class _Answer:
    """One answer while it is written."""

    def __init__(
        self,
        turn: Turn,
        provider: Provider,
        tools: Tools,
        budget: Budget,
        sink: Sink,
        retry: Retry,
    ) -> None:
        self.retry = retry
        self._system = turn.system
        self._messages = list(turn.messages)
        self._provider = provider
        self._tools = tools
        self._sink = sink
        self._meter = Meter(budget, provider.model_for(turn.model))
        self._text: list[str] = []
        self._used: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self._text)

    def outcome(self, status: Status, error: str = "") -> Outcome:
        meter = self._meter
        return Outcome(status, self.text, error, meter.as_dict(), meter.turns, list(self._used))

    async def write(self) -> None:
        while True:
            self._meter.begin_turn()
            call = await self._ask()
            calls = [block for block in call.content if block["type"] == "tool_use"]
            self._check_ending(call, calls)
            self._messages.append({"role": "assistant", "content": call.content})
            if calls:
                results = [await self._use(block) for block in calls]
                self._messages.append({"role": "user", "content": results})
            elif call.stop_reason != "pause_turn":
                return

    async def _ask(self) -> ModelCall:
        """One model call, tried again while that can help."""
        attempt = 0
        while True:
            kept = len(self._text)
            self._sink.status("thinking", "")
            call = self._provider.call(self._request())
            try:
                await self._stream(call)
            except ModelFailed as failure:
                delay = self.retry.delay(failure, attempt)
                if delay is None:
                    raise
                log.info("model call failed, trying again in %.1f s: %s", delay, failure)
                self._take_back(kept)
                self._sink.status("thinking", str(failure) if delay else "")
                await asyncio.sleep(delay)
                attempt += 1
            else:
                return call

    def _request(self) -> Request:
        return Request(
            model=self._meter.model,
            system=self._system,
            messages=self._messages,
            tools=self._tools.definitions(),
            max_tokens=self._meter.tokens_left(),
        )

    async def _stream(self, call: ModelCall) -> None:
        writing = False
        try:
            async with aclosing(call.parts()) as parts:
                async for part in parts:
                    if part.kind == "thinking" and not writing:
                        self._sink.status("thinking", "")  # a sign of life, however long it thinks
                    if part.kind != "text" or not part.text:
                        continue
                    if not writing:
                        writing = True
                        self._begin_writing()
                    self._write(part.text)
        finally:
            self._meter.charge(call.usage)

    def _begin_writing(self) -> None:
        self._sink.status("writing", "")
        if self._text:  # text of an earlier call, before a tool ran
            self._write(GAP)

    def _write(self, delta: str) -> None:
        delta = storable(delta)
        self._text.append(delta)
        self._sink.text(delta)

    def _take_back(self, kept: int) -> None:
        if len(self._text) > kept:
            del self._text[kept:]
            self._sink.reset(len(self.text))

    def _check_ending(self, call: ModelCall, calls: list[dict[str, Any]]) -> None:
        """Raise unless the call ended in a way that can be used or continued."""
        if call.stop_reason == "max_tokens":
            if calls:
                raise AnswerRefused(CUT_CALL)
            raise BudgetSpent(CUT)
        if call.stop_reason in ENDINGS:
            raise AnswerRefused(f"{ENDINGS[call.stop_reason]} {call.note}".strip())
        if not call.content and not self._text:
            raise AnswerRefused("The model gave an empty answer.")

    async def _use(self, block: dict[str, Any]) -> dict[str, Any]:
        name = block["name"]
        self._sink.status("tool", name)
        self._used.append(name)
        result = await self._tools.call(name, block["input"])
        return {
            "type": "tool_result",
            "tool_use_id": block["id"],
            "content": result.text,
            "is_error": result.is_error,
        }
