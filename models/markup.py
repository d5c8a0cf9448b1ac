"""Markdown to safe HTML: parse, highlight, and sanitise last (never before: CVE-2026-44568)."""

import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

_MENTION = re.compile(r"@([a-z][a-z0-9_-]{0,31})")

_LANGUAGES = {
    name: names.split()[0]
    for names in (
        "bash sh shell zsh console shell-session",
        "c h",
        "css",
        "diff patch",
        "docker dockerfile",
        "go golang",
        "html htm",
        "java",
        "javascript js jsx mjs",
        "json",
        "kotlin kt",
        "php",
        "python py python3 pycon",
        "ruby rb",
        "rust rs",
        "sql postgresql postgres sqlite mysql",
        "swift",
        "toml ini cfg conf",
        "typescript ts tsx",
        "xml svg",
        "yaml yml",
    )
    for name in names.split()
}
"""Languages that are coloured: those of which no single step takes long, whatever the code.

Others let a message of 16,000 characters hold the process for seconds (make, console, ini; measured).
"""
_MOST_TOKENS = 3000
_MOST_SECONDS = 0.030

_TAGS = {
    *("p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "s", "a", "span", "div"),
    *("ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_CLASSES = re.compile(r"(?:mention|code|task|[a-z][a-z0-9]{0,2})\Z")
_formatter = HtmlFormatter(nowrap=True)


@dataclass(frozen=True)
class Rendered:
    """Safe HTML and the names mentioned outside code, in order, each once."""

    html: str
    mentions: tuple[str, ...]


def render(text: str) -> Rendered:
    """`text` as markdown; no images and no raw HTML, so that a message cannot call out."""
    env: EnvType = {"mentions": {}, "colours": _Colours()}
    html = _markdown.render(text, env)
    return Rendered(html=_sanitise(html), mentions=tuple(env["mentions"]))


def words(html: str) -> str:
    """The text of rendered HTML on one line, for a quote."""
    return " ".join(unescape(nh3.clean(html, tags=set())).split())


def _sanitise(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes={
            "a": {"href", "title"},
            "span": {"class", "data-mention"},
            "div": {"class", "data-lang"},
            "code": {"class"},
            "th": {"align"},
            "td": {"align"},
            "ol": {"start"},
        },
        attribute_filter=_only_our_classes,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _only_our_classes(tag: str, name: str, value: str) -> str | None:
    if name != "class":
        return value
    return " ".join(part for part in value.split() if _CLASSES.match(part)) or None


def _mention(state: StateInline, silent: bool) -> bool:
    """`@key` at the start of a word becomes a mention; code spans never get here."""
    if state.src[state.pos] != "@" or (
        state.pos and (state.src[state.pos - 1].isalnum() or state.src[state.pos - 1] in "_@/.")
    ):
        return False
    found = _MENTION.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        name = found[1].rstrip("-_")
        state.env["mentions"].setdefault(name)
        state.push("mention", "", 0).content = name
    state.pos += 1 + len(found[1].rstrip("-_"))
    return True


def _render_mention(
    self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    name = escape(tokens[at].content)
    return f'<span class="mention" data-mention="{name}">@{name}</span>'


def _render_fence(
    self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[at]
    language = token.info.split()[0].lower() if token.info.split() else ""
    code = env["colours"].of(token.content.rstrip("\n"), language)
    return f'<div class="code" data-lang="{escape(language[:24])}"><pre><code>{code}</code></pre></div>\n'


class _Colours:
    """Colours the code of one message, within bounds of its size and time; beyond them code stays plain."""

    def __init__(self) -> None:
        self._tokens = _MOST_TOKENS
        self._seconds = _MOST_SECONDS

    def of(self, code: str, language: str) -> str:
        known = _LANGUAGES.get(language)
        tokens = self._read(code, known) if known else None
        if tokens is None:
            return escape(code)
        html = io.StringIO()
        _formatter.format(tokens, html)
        return html.getvalue().rstrip("\n")

    def _read(self, code: str, language: str) -> list[tuple[Any, str]] | None:
        tokens: list[tuple[Any, str]] = []
        lexer = get_lexer_by_name(
            language, stripnl=False
        )  # makes it, the first time, in tens of milliseconds
        # Of this thread alone, so that a busy machine colours no less.
        until = time.thread_time() + self._seconds
        for token in lexer.get_tokens(code):
            tokens.append(token)
            if len(tokens) > self._tokens or time.thread_time() > until:
                self._tokens = 0
                return None
        self._tokens -= len(tokens)
        self._seconds = until - time.thread_time()
        return tokens


def _render_image(
    self: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
) -> str:
    # A remote image would tell its host who reads, and could carry data out: show the link instead.
    token = tokens[at]
    source, label = str(token.attrs.get("src", "")), token.content
    return f'<a href="{escape(source)}">{escape(label or source)}</a>'


def _make() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True})
    markdown.enable(["table", "strikethrough"])
    # A definition shows nothing: people would not see what agents read.
    markdown.disable("reference")
    markdown.inline.ruler.before("link", "mention", _mention)
    # The text rule must stop at @, or the mention rule would never be asked.
    markdown.inline.ruler.at("text", _text)
    markdown.add_render_rule("mention", _render_mention)
    markdown.add_render_rule("fence", _render_fence)
    markdown.add_render_rule("code_block", _render_fence)
    markdown.add_render_rule("image", _render_image)
    return markdown


_PLAIN = re.compile(r"[^\n!#$%&*+\-:<=>@\[\\\]^_`{}~h]+|h(?!ttps?://)")
_URL = re.compile(r"https?://[^\s<>()\[\]\"'`]*[^\s<>()\[\]\"'`.,;:!?*_~]")


def _text(state: StateInline, silent: bool) -> bool:
    """Plain text up to what another rule may want; bare web addresses become links here."""
    link = _URL.match(state.src, state.pos)
    if (
        link is not None
        and state.linkLevel == 0
        and (not state.pos or not state.src[state.pos - 1].isalnum())
    ):
        if not silent:
            state.push("link_open", "a", 1).attrs = {"href": link[0]}
            state.push("text", "", 0).content = link[0]
            state.push("link_close", "a", -1)
        state.pos = link.end()
        return True
    plain = _PLAIN.match(state.src, state.pos, state.posMax)
    if plain is None:
        return False
    if not silent:
        state.pending += plain[0]
    state.pos = plain.end()
    return True


_markdown = _make()
