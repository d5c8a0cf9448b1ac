"""Prompts are files beside this one, with $names to fill in."""

from functools import cache
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent


def prompt(file: str, /, **values: str) -> str:
    """The prompt with its values; a value is never read for further $names."""
    return _template(file).substitute(values).strip()


@cache
def _template(file: str) -> Template:
    return Template((FOLDER / f"{file}.md").read_text(encoding="utf-8"))
