"""The kinds of values that parameters have."""

import unicodedata
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, ValidationInfo

from models.agent import Agent
from models.text import invalid

CONTENT = 60_000
"""Characters that a document, a file or a body may have; one request holds little more."""
PREVIEW = 280


def _line(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    if any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise ValueError("must be one line of valid Unicode without control characters")
    return text


def _body(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("must be valid Unicode (it holds half of a surrogate pair)")
    return text


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return _body(text)


Line = Annotated[str, AfterValidator(_line)]
Body = Annotated[str, Field(max_length=CONTENT), AfterValidator(_body)]
Said = Annotated[str, AfterValidator(_said)]
AgentKey = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="An agent's handle, without @")
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def whole_of(given: Any, whole: str, preview: str) -> Any:
    """A preview that is given alone is all there is; without one it is the beginning of the whole."""
    if not isinstance(given, dict):
        return given
    filled = dict(given)
    if whole not in filled and preview in filled:
        filled[whole] = filled[preview]
    if preview not in filled:
        filled[preview] = ""
    return filled


def beginning(preview: str, info: ValidationInfo, whole: str) -> str:
    """The preview as it is always made: a given one must not say what the whole does not."""
    text = info.data.get(whole)
    if text is None:
        return preview
    if not text.startswith(preview):
        raise ValueError(f"must be the beginning of {whole}")
    return str(text[:PREVIEW])


def must_be_agent(project_id: UUID, key: str, field: str) -> None:
    if Agent.by_key(project_id, key) is None:
        raise invalid(f"params.{field}", "is no agent of this project")
