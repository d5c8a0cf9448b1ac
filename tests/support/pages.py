"""A strict reader of pages: what browsers forgive, and Turbo then gets wrong, fails a test."""

from html.parser import HTMLParser

VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "track",
    "wbr",
}
DATA = {"importmap", "application/json"}  # kinds of script that hold no script


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if len(values) < len(attrs):
            self._fault(f"<{tag}> has an attribute twice")
        self._check_id(values.get("id"))
        self._check_kind(tag, values)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self._fault(f"</{tag}> closes {self.open[-1:] or 'nothing'}")

    def finish(self) -> list[str]:
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]
        return self.faults

    def _check_id(self, value: str | None) -> None:
        if value in self.ids:
            self._fault(f"the id {value!r} occurs twice")
        if value:
            self.ids.add(value)

    def _check_kind(self, tag: str, values: dict[str, str | None]) -> None:
        inline = tag == "script" and "src" not in values and values.get("type") not in DATA
        if inline and not values.get("nonce"):
            self._fault("an inline script has no nonce")
        if any(name.startswith("on") for name in values) or "style" in values:
            self._fault(f"<{tag}> has an inline handler or style, which the policy refuses")
        if tag == "img" and "alt" not in values:
            self._fault("an image has no alt text")

    def _fault(self, text: str) -> None:
        line, column = self.getpos()
        self.faults.append(f"line {line}:{column}: {text}")


def faults(html: str) -> list[str]:
    """What is wrong with a page or a fragment; empty when nothing is."""
    reader = _Reader()
    reader.feed(html)
    return reader.finish()
