"""Characters that a reader does not see: they are counted as a risk, and shown by their number."""

import unicodedata

_PLAIN = frozenset("\n\t")
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0") | frozenset(
    map(chr, range(0xFE00, 0xFE0F))
)
"""Letters and marks that fill a place with nothing; the selector after an emoji (U+FE0F) is none of them."""
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
    if unicodedata.category(char) in _HIDDEN or char in _BLANKS or "\U000e0000" <= char <= "\U000effff":
        return True
    return char.isspace() and char != " "


def _number(char: str) -> str:
    return f"U+{ord(char):04X}"
