"""A scripted model, a sink that remembers, and a toolset of harmless tools."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from agents.loop import Outcome, Turn, run
from agents.provider import ProviderSettings, provider_from
from agents.retry import Retry
from agents.scripted import ScriptedTransport
from agents.tools.registry import Registry, Toolset
from agents.tools.tool import Arguments, Tool, ToolContext
from agents.usage import Budget
from agents.wire import Step

SOMEWHERE = UUID(int=1)


@dataclass
class RecordingSink:
    """Keeps what it is told; `shown` is what a page would show now."""

    shown: str = ""
    told: list[tuple[str, str]] = field(default_factory=list)
    resets: list[int] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def text(self, delta: str) -> None:
        self.shown += delta
        self.heard.set()

    def status(self, kind: str, detail: str) -> None:
        self.told.append((kind, detail))

    def reset(self, offset: int) -> None:
        self.shown = self.shown[:offset]
        self.resets.append(offset)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told]


@dataclass
class Asked:
    """One turn that was answered: what came out, what was shown and what was sent."""

    outcome: Outcome
    sink: RecordingSink
    transport: ScriptedTransport

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self.transport.requests

    def tool_results(self) -> list[dict[str, Any]]:
        return self.requests[-1]["messages"][-1]["content"]


class Look(Arguments):
    path: str


@dataclass
class Bench:
    """Answers turns with a script instead of a model, without waiting between tries."""

    used: list[Any] = field(default_factory=list)
    running: asyncio.Event | None = None
    still_cancelling: int = 0
    settings: ProviderSettings = field(default_factory=lambda: ProviderSettings(api_key="key"))
    retry: Retry = field(default_factory=lambda: Retry(first=0.0))

    def tools(self, job: str = "chat") -> Toolset:
        registry = Registry(
            self._tool("look", self._look, "reads"),
            self._tool("stay", self._stay, "reads"),
            self._tool("crash", self._crash, "reads"),
            self._tool("launch", self._look, "acts", jobs=frozenset(("execution",))),
        )
        context = ToolContext(SOMEWHERE, SOMEWHERE, "ops", db=self._no_database)
        return registry.for_job(job).bind(context)

    def _tool(self, name: str, fn: Any, effect: Any, jobs: Any = None, seconds: float = 15) -> Tool:
        allowed = jobs or frozenset(("chat", "execution"))
        return Tool(name, f"{name} it", Look, fn, effect, allowed, seconds)

    async def _look(self, context: ToolContext, arguments: Look) -> str:
        self.used.append(arguments.path)
        return f"seen {arguments.path}"

    async def _stay(self, context: ToolContext, arguments: Look) -> str:
        assert self.running
        self.running.set()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets the event")

    async def _crash(self, context: ToolContext, arguments: Look) -> str:
        raise KeyError("secret detail")

    async def _no_database(self, fn: Callable[..., Any], *args: Any) -> Any:
        raise AssertionError("these tools need no database")

    async def answer(self, script: Sequence[Step], sink: RecordingSink, **options: Any) -> Asked:
        transport = ScriptedTransport(script)
        provider = provider_from(replace(self.settings, transport=transport))
        turn = Turn("You are Ops.", [{"role": "user", "content": "hello"}], options.get("model", ""))
        outcome = await run(
            turn,
            provider=provider,
            tools=self.tools(options.get("job", "chat")),
            budget=options.get("budget", Budget()),
            sink=sink,
            retry=self.retry,
        )
        task = asyncio.current_task()
        assert task
        self.still_cancelling = task.cancelling()
        await provider.aclose()
        return Asked(outcome, sink, transport)

    def ask(self, *script: Step, **options: Any) -> Asked:
        """Answer one turn and return when it has ended."""

        async def main() -> Asked:
            return await self.answer(script, RecordingSink(), **options)

        return asyncio.run(main())

    def ask_and_cancel(
        self, *script: Step, when: Callable[["Bench", RecordingSink], Awaitable[Any]]
    ) -> Asked:
        """Answer one turn and cancel it as soon as `when` has happened."""

        async def main() -> Asked:
            self.running = asyncio.Event()
            sink = RecordingSink()
            task = asyncio.create_task(self.answer(script, sink))
            await when(self, sink)
            task.cancel()
            async with asyncio.timeout(0.5):
                return await task

        return asyncio.run(main())
