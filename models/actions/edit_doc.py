"""An agent asks to write a document that agents read."""

from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator, model_validator

from models.actions.action import Params, Rule
from models.actions.fields import AgentKey, Body, Digest, beginning, must_be_agent, whole_of

PROJECT = "project"
"""The key under which documents of the whole project are kept; no agent may have it."""


class EditDoc(Params):
    action_type = "edit_doc"
    seed: ClassVar = ("doc_type", "agent_key", "content_preview")
    rules: ClassVar = (
        Rule("med", "Agents follow what this document says; earlier versions are kept."),
        Rule(
            "high",
            "Every agent of the project follows what this document says.",
            lambda params: params.agent_key == PROJECT,
        ),
    )

    doc_type: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
    agent_key: AgentKey
    content: Annotated[Body, Field(description="The whole document as it shall be")]
    content_preview: Annotated[Body, Field(description="Leave it out: it is the beginning of content")] = ""
    base_digest: Annotated[
        Digest | None,
        Field(description="SHA-256 of the content that was changed; null when there is no document yet"),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        return whole_of(given, "content", "content_preview")

    @field_validator("content_preview")
    @classmethod
    def _beginning(cls, preview: str, info: ValidationInfo) -> str:
        return beginning(preview, info, "content")

    @property
    def headline(self) -> str:
        return f"{'Edit' if self.base_digest else 'Write'} the document {self.object_name}"

    @property
    def effect(self) -> str:
        before = "the version it was made from" if self.base_digest else "nothing, if there is none yet"
        return f"A new version of {len(self.content):,} characters replaces {before}. The history keeps both."

    @property
    def object_name(self) -> str:
        return f"{self.agent_key}/{self.doc_type}"

    def resolve(self, project_id: UUID) -> Self:
        if self.agent_key != PROJECT:
            must_be_agent(project_id, self.agent_key, "agent_key")
        return self
