"""The sprite holds the icons that pages show, all of them and no others."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LISTED = set(re.findall(r'"([a-z0-9-]+)"', (ROOT / "scripts/icons.mjs").read_text()))
FOLDERS = ("webapp", "static/controllers", "static/helpers")
SOURCES = "\n".join(
    path.read_text()
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".html", ".js", ".py")
)


def test_every_icon_of_a_template_is_in_the_sprite() -> None:
    shown = set(re.findall(r"""\bicon\(["']([^"']+)["']""", SOURCES))

    assert shown
    assert shown - LISTED == set()


def test_every_icon_of_the_sprite_is_shown_somewhere() -> None:
    assert [name for name in sorted(LISTED) if not re.search(rf"""["'-]{name}["'\s]""", SOURCES)] == []
