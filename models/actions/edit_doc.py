"""An agent asks to write a document that agents read."""

from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field, ValidationInfo, field_validator, model_validator

from models import labs
from models.actions.action import Params, Rule
from models.actions.fields import AgentKey, Body, Digest, beginning, must_be_agent, whole_of
from models.brain_doc import DOC_TYPE, FLAG, PROJECT, BrainDoc
from models.difference import unified
from models.hidden import made_visible


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

    doc_type: Annotated[str, Field(pattern=f"^{DOC_TYPE}$")]
    agent_key: AgentKey
    content: Annotated[Body, Field(description="The whole document as it shall be")]
    content_preview: Annotated[Body, Field(description="Leave it out: it is the beginning of content")] = ""
    base_digest: Annotated[
        Digest | None,
        Field(
            description=(
                "SHA-256 of the content that was changed, as read_doc tells it; null when there is no"
                " document yet. Left out, it is that of the document as it is"
            )
        ),
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
        if "base_digest" in self.model_fields_set:
            return self
        doc = BrainDoc.find(project_id, self.agent_key, self.doc_type)
        return self.model_copy(update={"base_digest": doc.digest}) if doc is not None else self

    def diff(self, project_id: UUID) -> list[str] | None:
        """The unified diff, whole, against the version it was made from; None when there is none.

        While documents are switched off, nobody reads one this way either.
        """
        if self.base_digest is None or not labs.enabled(FLAG, project_id):
            return None
        base = BrainDoc.said(project_id, self.agent_key, self.doc_type, self.base_digest)
        if base is None:
            return None
        return [made_visible(line) for line in unified(base, self.content)]
