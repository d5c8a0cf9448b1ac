"""An agent asks for a task, which then waits for a plan."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field

from models.actions.action import Params, Rule
from models.actions.fields import AgentKey, Body, Line, must_be_agent


class CreateTask(Params):
    action_type = "create_task"
    seed: ClassVar = ("title", "description", "assignee_agent_key")
    rules: ClassVar = (Rule("low", "Makes a pending task: nothing runs before a person approves its plan."),)

    title: Annotated[Line, Field(max_length=200)]
    description: Annotated[Body, Field(max_length=20_000)]
    assignee_agent_key: AgentKey | None

    @property
    def headline(self) -> str:
        return f"Create the task “{self.title}”"

    @property
    def effect(self) -> str:
        whose = f"assigned to @{self.assignee_agent_key}" if self.assignee_agent_key else "assigned to nobody"
        return f"A pending task appears in Tasks, {whose}. Nothing of it runs yet."

    @property
    def object_name(self) -> str:
        return self.title

    def resolve(self, project_id: UUID) -> Self:
        if self.assignee_agent_key is not None:
            must_be_agent(project_id, self.assignee_agent_key, "assignee_agent_key")
        return self
