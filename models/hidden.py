"""Characters that a reader does not see: they are counted as a risk, and shown by their number."""

import unicodedata

_PLAIN = frozenset("\n\t")
_HIDDEN = frozenset(("Cc", "Cf", "Co", "Cn", "Zl", "Zp"))


def hidden(text: str) -> list[str]:
    """The distinct characters that cannot be seen or that turn the direction, as `U+202E`, in order."""
    return list(dict.fromkeys(_number(char) for char in text if _is_hidden(char)))


def made_visible(text: str) -> str:
    """The same text with each of them written out, as in `a⟨U+202E⟩b`."""
    return "".join(f"⟨{_number(char)}⟩" if _is_hidden(char) else char for char in text)


def _is_hidden(char: str) -> bool:
    if char in _PLAIN or (char.isascii() and char.isprintable()):
        return False
    # A space that is not the usual one, and letters that fill a place with nothing.
    return (
        unicodedata.category(char) in _HIDDEN
        or (char.isspace() and char != " ")
        or char in "\u3164\u115f\u1160\uffa0\u2800"
    )


def _number(char: str) -> str:
    return f"U+{ord(char):04X}"
