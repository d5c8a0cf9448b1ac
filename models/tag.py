"""Tags: short words by which things are found again."""

import re
from collections.abc import Sequence

from models.text import invalid

MOST = 10
"""Tags of one thing."""
_TAG = re.compile(r"\w[\w .:/+-]{0,31}")
"""No quotation marks: a tag is searched for between those of JSON."""


def tags_of(words: Sequence[str], field: str = "tags") -> list[str]:
    """These words as tags: small letters, each once, in order of the alphabet. Invalid where one is none."""
    tags = sorted({word.strip().lower() for word in words})
    if len(tags) > MOST:
        raise invalid(field, f"must be {MOST} at most")
    if wrong := [tag for tag in tags if not _TAG.fullmatch(tag)]:
        raise invalid(
            field,
            f"must be words of 1 to 32 letters, digits, spaces and . : / + - _, unlike {wrong[0]!r:.50}",
        )
    return tags
