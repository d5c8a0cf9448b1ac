"""Report what was found: kept until the run ends, and then each becomes, or updates, a pending task."""

from typing import Annotated, Literal

from pydantic import Field

from agents.errors import ToolFailed
from agents.tools.tool import Arguments, Tool, ToolContext
from models.errors import Invalid
from models.finding import LONGEST_SUBJECT, LONGEST_TEXT, LONGEST_TITLE, MOST_TAGS, OTHER

MOST = 50
"""Findings of one call."""

Tag = Annotated[str, Field(min_length=1, max_length=30, description="Of a-z, 0-9, _, . and -")]


class Said(Arguments):
    """One finding, in the agent's words."""

    rule: str = Field(
        min_length=1, max_length=30, description=f"As the facts name it; `{OTHER}` for what you saw yourself"
    )
    subject: str = Field(
        min_length=1, max_length=LONGEST_SUBJECT, description="As the facts name it; else a path, or a name"
    )
    title: str = Field(min_length=1, max_length=LONGEST_TITLE)
    description: str = Field(
        min_length=1, max_length=LONGEST_TEXT, description="What is wrong, what it affects; Markdown"
    )
    priority: Literal["low", "normal", "high", "urgent"] = Field(
        description="A fact's own priority can only be raised"
    )
    tags: list[Tag] = Field(max_length=MOST_TAGS - 2)
    evidence: str = Field(min_length=1, max_length=LONGEST_TEXT, description="Where it is seen, with numbers")


class Findings(Arguments):
    findings: list[Said] = Field(min_length=1, max_length=MOST)


async def report_findings(context: ToolContext, arguments: Findings) -> str:
    if context.reported is None:
        raise ToolFailed("Nothing is looked for here.")
    try:
        return context.reported.add(
            [said.model_dump() | {"tags": tuple(said.tags)} for said in arguments.findings]
        )
    except Invalid as wrong:
        raise ToolFailed(f"Nothing was kept: {wrong.message}.") from None


REPORT_FINDINGS = Tool(
    name="report_findings",
    description="Report what should be seen to: all of a call is kept, or nothing, and you are told why.",
    arguments=Findings,
    run=report_findings,
    effect="proposes",
    jobs=frozenset(("audit", "skill")),
)
