"""An agent asks to write a file of the project's workspace."""

from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from models.actions.action import Params, Rule
from models.actions.fields import Body, Digest, Line, beginning, whole_of
from models.base import db
from models.decider import RIGHT
from models.difference import unified
from models.errors import Invalid
from models.lookalike import mistakable, told_apart
from models.project import Project
from models.text import invalid
from models.workspace import Workspace, digest_of

_BY_THEMSELVES = frozenset(
    ("makefile", "procfile", "dockerfile", "package.json", "pyproject.toml", "setup.py", "conftest.py")
)


def clean_path(text: str) -> str:
    """A path inside the workspace; ValueError says what is wrong."""
    if "\\" in text or ":" in text:
        raise ValueError("must be written with /, without \\ and :")
    for part in text.split("/"):
        if part in ("", ".", ".."):
            raise ValueError("must be a path inside the workspace, without empty parts, . and ..")
        if len(part.encode()) > 255 or part[-1] in ". ":
            raise ValueError("has a part that not every system can have")
    return text


def runs_by_itself(path: str) -> bool:
    """Whether tools take the file as orders: hidden ones, hooks, and files that build or start things."""
    *folders, name = path.lower().split("/")
    return any(part.startswith(".") or part == "hooks" for part in (*folders, name)) or name in _BY_THEMSELVES


class FileWrite(Params):
    action_type = "file_write"
    # The lines that go are what stands in any file of the workspace, which nobody else may read.
    compared_by = RIGHT
    seed: ClassVar = ("path", "content_preview")
    rules: ClassVar = (
        Rule("med", "Changes a file of the workspace."),
        Rule("high", "Tools may run what this file says.", lambda params: runs_by_itself(params.path)),
        Rule("high", "Its name can be taken for another one.", lambda params: mistakable(params.path)),
    )

    path: Annotated[Line, Field(max_length=1000), AfterValidator(clean_path)]
    content: Annotated[Body, Field(description="The whole file as it shall be")]
    content_preview: Annotated[Body, Field(description="Leave it out: it is the beginning of content")] = ""
    base_digest: Annotated[
        Digest | None,
        Field(
            description="SHA-256 of the file that was changed, null when there is no such file yet;"
            " left out, the file as it is now"
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
        return f"{'Change' if self.base_digest else 'Create'} the file {self.path}"

    @property
    def effect(self) -> str:
        size, which = len(self.content.encode()), told_apart(self.path)
        if self.base_digest:
            return f"{self.path} becomes {size:,} bytes, if it is still the file that was changed.{which}"
        return f"{self.path} is made with {size:,} bytes, if there is no such file.{which}"

    @property
    def object_name(self) -> str:
        return self.path

    def resolve(self, project_id: UUID) -> Self:
        """With the digest of the file as it is now, where none was said."""
        try:
            present = _workspace(project_id).read(self.path)
        except Invalid as error:
            raise invalid("params.path", error.fields["path"][0]) from None
        if "base_digest" in self.model_fields_set:
            return self
        return self.model_copy(update={"base_digest": None if present is None else digest_of(present)})

    def diff(self, project_id: UUID) -> list[str] | None:
        """What changes, line by line; None for a new file, and when the base is no text or gone."""
        if self.base_digest is None:
            return None
        try:
            present = _workspace(project_id).read(self.path)
            if present is None or digest_of(present) != self.base_digest:
                return None
            return unified(present.decode(), self.content)
        except (Invalid, UnicodeDecodeError):
            return None


def _workspace(project_id: UUID) -> Workspace:
    return Workspace.of(db.session.get_one(Project, project_id).key)
