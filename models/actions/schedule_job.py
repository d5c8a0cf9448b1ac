"""An agent asks for a job that comes again and again."""

from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from models.actions import times
from models.actions.action import Params, Rule
from models.actions.fields import AgentKey, Line, Said, must_be_agent


class ScheduleJob(Params):
    action_type = "schedule_job"
    seed: ClassVar = ("name", "schedule_expr", "instructions", "target_agent_key")
    rules: ClassVar = (
        Rule("med", "Starts an agent again and again without asking each time; it can read and propose."),
    )

    name: Annotated[Line, Field(max_length=80)]
    schedule_kind: Literal["every", "cron"] = "cron"
    schedule_expr: Annotated[
        Line, Field(max_length=100, description="cron: five fields; every: 15m, 6h or 1d")
    ]
    time_zone: Annotated[Line, Field(max_length=64), AfterValidator(times.zone)] = "UTC"
    instructions: Annotated[Said, Field(max_length=8000)]
    target_agent_key: AgentKey
    output: Literal["activity", "thread", "task"] = "activity"

    @field_validator("schedule_expr")
    @classmethod
    def _of_its_kind(cls, text: str, info: ValidationInfo) -> str:
        return times.every(text) if info.data.get("schedule_kind") == "every" else times.cron(text)

    @property
    def headline(self) -> str:
        return f"Schedule the job “{self.name}” for @{self.target_agent_key}"

    @property
    def effect(self) -> str:
        when = (
            f"Every {self.schedule_expr}" if self.schedule_kind == "every" else f"At “{self.schedule_expr}”"
        )
        return (
            f"{when} ({self.time_zone}) @{self.target_agent_key} is given these instructions;"
            f" what it finds goes to: {self.output}."
        )

    @property
    def object_name(self) -> str:
        return self.name

    def resolve(self, project_id: UUID) -> Self:
        must_be_agent(project_id, self.target_agent_key, "target_agent_key")
        return self
