"""A Messages API as an httpx2 transport: the real client talks to a script, without a port."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx2

from agents.wire import Dropped, Fail, Say, Step, play

Script = Sequence[Step] | Callable[[dict[str, Any]], Step]


class ScriptedTransport(httpx2.AsyncBaseTransport):
    """Plays a list of steps, one a request, or asks a function of the request's body for each."""

    def __init__(self, script: Script, record: bool = True) -> None:
        self._script = script
        self._record = record
        self._turn = 0
        self.requests: list[dict[str, Any]] = []
        self.headers: list[httpx2.Headers] = []
        self.streams: list[ScriptedStream] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        if self._record:
            self.requests.append(body)
            self.headers.append(request.headers)
        step = self._next(body)
        if isinstance(step, Fail):
            return httpx2.Response(step.status, headers=step.headers, json=step.body)
        await asyncio.sleep(step.first_delay)
        stream = ScriptedStream(step, body["model"], request.extensions["timeout"]["read"])
        if self._record:
            self.streams.append(stream)
        headers = {"content-type": "text/event-stream", "request-id": "req_scripted"}
        return httpx2.Response(200, headers=headers, stream=stream)

    def _next(self, body: dict[str, Any]) -> Step:
        if callable(self._script):
            return self._script(body)
        self._turn += 1
        if self._turn <= len(self._script):
            return self._script[self._turn - 1]
        return Fail(400, message="the script has ended")


class ScriptedStream(httpx2.AsyncByteStream):
    """The body of one answer, with its delays and its fault."""

    def __init__(self, step: Say, model: str, read_timeout: float) -> None:
        self._step = step
        self._model = model
        self._read_timeout = read_timeout
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in play(self._step, self._model, self._stall):
                yield chunk
        except Dropped as error:
            raise httpx2.RemoteProtocolError("peer closed the connection") from error

    async def aclose(self) -> None:
        self.closed = True

    async def _stall(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, self._read_timeout))
        if seconds > self._read_timeout:
            raise httpx2.ReadTimeout("nothing was read in time")
