"""Scripted answers of a Messages API: what to say, which tools to call, and how to fail."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}

SCRIPTED = "scripted failure"

_ids = itertools.count(1)


@dataclass(frozen=True)
class Fault:
    """What goes wrong once `after` events of an answer were sent."""

    kind: Literal["drop", "truncate", "stall", "error"]
    after: int
    seconds: float = 0.0
    error_type: str = "overloaded_error"


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` may be raw text, to play a call that was cut off."""

    name: str
    arguments: dict[str, Any] | str = field(default_factory=dict)

    @property
    def json(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Say:
    """An answer with text, tool calls or both; delays are seconds before the first and each."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    usage: tuple[int, int] = (12, 7)
    delay: float = 0.0
    first_delay: float = 0.0
    stop: str | None = None
    fault: Fault | None = None

    @property
    def stop_reason(self) -> str:
        return self.stop or ("tool_use" if self.calls else "end_turn")


@dataclass(frozen=True)
class Fail:
    """A refusal before the stream starts."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    message: str = SCRIPTED

    @property
    def body(self) -> dict[str, Any]:
        kind = ERROR_TYPES.get(self.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": self.message}}


Step = Say | Fail


class Dropped(Exception):
    """The script cuts the connection here."""


async def play(
    step: Say, model: str, stall: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[bytes]:
    """The events of an answer with its delays and its fault. Raises Dropped."""
    fault = step.fault
    for number, chunk in enumerate(events(step, model)):
        if fault and fault.after == number:
            if fault.kind == "drop":
                raise Dropped
            if fault.kind == "truncate":
                return
            if fault.kind == "error":
                yield event("error", error={"type": fault.error_type, "message": SCRIPTED})
                return
            await stall(fault.seconds)
        if step.delay:
            await asyncio.sleep(step.delay)
        yield chunk


def event(name: str, **data: Any) -> bytes:
    """One server-sent event of the Messages API."""
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def events(step: Say, model: str) -> Iterator[bytes]:
    """All events of one answer, in the order a real endpoint sends them."""
    yield _message_start(step, model)
    index = 0
    if step.text:
        yield from _block(
            index,
            {"type": "text", "text": ""},
            ({"type": "text_delta", "text": word} for word in words(step.text)),
        )
        index += 1
    for call in step.calls:
        start = {"type": "tool_use", "id": f"toolu_{next(_ids)}", "name": call.name, "input": {}}
        yield from _block(
            index,
            start,
            ({"type": "input_json_delta", "partial_json": part} for part in pieces(call.json)),
        )
        index += 1
    delta = {"stop_reason": step.stop_reason, "stop_sequence": None}
    yield event("message_delta", delta=delta, usage={"output_tokens": step.usage[1]})
    yield event("message_stop")


def words(text: str) -> list[str]:
    """The text in word-sized parts that join to exactly the text."""
    return re.findall(r"\s*\S+|\s+", text)


def pieces(text: str, size: int = 12) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _message_start(step: Say, model: str) -> bytes:
    message: dict[str, Any] = {
        "id": f"msg_{next(_ids)}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": step.usage[0], "output_tokens": 1},
    }
    return event("message_start", message=message)


def _block(index: int, block: dict[str, Any], deltas: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    yield event("content_block_start", index=index, content_block=block)
    for delta in deltas:
        yield event("content_block_delta", index=index, delta=delta)
    yield event("content_block_stop", index=index)
