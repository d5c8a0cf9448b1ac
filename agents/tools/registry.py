"""All tools by name, and the set of them that one kind of job may call."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agents.errors import ToolFailed
from agents.quoting import capped, quote
from agents.tools.tool import Job, Tool, ToolContext

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ToolResult:
    """What the model is told about its call."""

    text: str
    is_error: bool = False


class Registry:
    """Every tool there is. Refuses a tool that claims a job which may not have its effect."""

    def __init__(self, *tools: Tool) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self._add(tool)

    def for_job(self, job: Job) -> "Allowed":
        """The tools of this kind of job, sorted so that the prompt's prefix stays the same."""
        tools = (self._tools[name] for name in sorted(self._tools))
        return Allowed(job, {tool.name: tool for tool in tools if tool.allowed_in(job)})

    def _add(self, tool: Tool) -> None:
        if tool.name in self._tools:
            raise ValueError(f"two tools are called {tool.name}")
        wrong = sorted(job for job in tool.jobs if not tool.allowed_in(job))
        if wrong:
            raise ValueError(f"{tool.name} {tool.effect}, which {', '.join(wrong)} may not")
        self._tools[tool.name] = tool


@dataclass(frozen=True)
class Allowed:
    """The tools that a job may have; bind them to a context to call them."""

    job: Job
    tools: dict[str, Tool]

    def names(self) -> list[str]:
        return list(self.tools)

    def bind(self, context: ToolContext) -> "Toolset":
        return Toolset(self, context)


class Toolset:
    """The tools of one turn. What is not allowed does not exist here, whatever the model asks."""

    def __init__(self, allowed: Allowed, context: ToolContext) -> None:
        self._allowed = allowed
        self._context = context

    def definitions(self) -> list[dict[str, Any]]:
        return [tool.definition() for tool in self._allowed.tools.values()]

    async def call(self, name: str, arguments: Any) -> ToolResult:
        """Run one tool; every failure is an answer to the model, never an end of the turn."""
        tool = self._allowed.tools.get(name)
        if tool is None or not tool.allowed_in(self._allowed.job):
            known = ", ".join(self._allowed.names()) or "none"
            return ToolResult(f"Unknown tool {name!r}. Tools: {known}.", is_error=True)
        try:
            checked = tool.arguments.model_validate(arguments)
        except ValidationError as error:
            return ToolResult(f"Invalid input: {_problems(error)}.", is_error=True)
        return await self._run(tool, checked)

    async def _run(self, tool: Tool, arguments: Any) -> ToolResult:
        try:
            async with asyncio.timeout(tool.seconds):
                text = await tool.run(self._context, arguments)
        except ToolFailed as error:
            return ToolResult(str(error), is_error=True)
        except TimeoutError:
            return ToolResult(f"{tool.name} took longer than {tool.seconds:g} s.", is_error=True)
        except Exception:  # a broken tool must not take the answer with it
            log.exception("tool %s failed", tool.name)
            return ToolResult(f"{tool.name} failed by an error of its own.", is_error=True)
        return ToolResult(quote(capped(text), tool.name))


def _problems(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[:5]
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in found)
