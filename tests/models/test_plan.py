"""The text of a plan: what is a step, what is none, and which bytes are decided on."""

import pytest

from models.canonical import canonical
from models.errors import Invalid
from models.plan import LONGEST, LONGEST_STEP, MOST_STEPS, checked, opening_of, source_of, steps_of, with_step

TEXT = """The disk has room again.

## Look
`df -h`

## Clear the old logs ##

```sh
## not a step
rm old.log
```

To undo it, restore them."""


def test_each_second_heading_opens_a_step_but_not_inside_code() -> None:
    assert opening_of(TEXT) == "The disk has room again."
    assert [(step.number, step.title) for step in steps_of(TEXT)] == [(1, "Look"), (2, "Clear the old logs")]
    assert steps_of(TEXT)[0].body == "`df -h`"
    assert "## not a step" in steps_of(TEXT)[1].body


def test_one_step_is_changed_and_every_other_byte_stays() -> None:
    assert source_of(TEXT, 1) == "## Look\n`df -h`"
    changed = with_step(TEXT, 1, "## Look twice\n\n`df -i`")
    assert changed == TEXT.replace("## Look\n`df -h`", "## Look twice\n\n`df -i`")
    assert with_step(TEXT, 2, source_of(TEXT, 2)) == TEXT
    for number in (0, 3):
        with pytest.raises(Invalid):
            with_step(TEXT, number, "## x")


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("~~~\n## in tildes\n```\n## still\n~~~\n## out", ["out"]),
        ("````\n```\n## in four\n````\n## out", ["out"]),
        ("```\n## never closed", []),
        ("### deeper\n##without a space\n    ## code\n   ## indented", ["indented"]),
        ("## a\n## b", ["a", "b"]),
        ("##\ta", ["a"]),
    ],
)
def test_what_is_a_step(text: str, titles: list[str]) -> None:
    assert [step.title for step in steps_of(text)] == titles


def test_the_text_is_kept_as_it_is_but_for_line_ends() -> None:
    assert checked("\r\n" + TEXT.replace("\n", "\r\n") + "\r\n") == TEXT
    canonical({"text": checked(TEXT)})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Do it.", "steps"),
        ("## a\n" * (MOST_STEPS + 1), "steps"),
        ("## a\n##  ##", "title"),
        (f"## {'x' * (LONGEST_STEP + 1)}", "title"),
        (f"## a\n{'x' * LONGEST}", "characters"),
        ("## a\0", "NUL"),
    ],
)
def test_what_is_no_plan_names_the_field(text: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked(text)
    assert why in refused.value.fields["text"][0]
