"""Say which step of the plan is carried out now, so that everybody sees how far it is."""

from pydantic import Field

from agents.errors import ToolFailed
from agents.tools.tool import Arguments, Tool, ToolContext


class BeginStep(Arguments):
    number: int = Field(ge=1, description="Of the step, as the plan counts them")


async def begin_step(context: ToolContext, arguments: BeginStep) -> str:
    if context.on_step is None or not await context.on_step(arguments.number):
        raise ToolFailed(f"The plan has no step {arguments.number}.")
    return f"Step {arguments.number} is shown as the one that goes on."


BEGIN_STEP = Tool(
    name="begin_step",
    description="Say that you begin a step of the plan. Call it at the beginning of each step.",
    arguments=BeginStep,
    run=begin_step,
    effect="acts",
    jobs=frozenset(("execution",)),
)
