"""Markdown to safe HTML: parse, highlight, and sanitise last (never before: CVE-2026-44568)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_MENTION = re.compile(r"@([a-z][a-z0-9_-]{0,31})")
_HIGHLIGHT_UP_TO = 20_000

_TAGS = {
    *("p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "del", "a", "span", "div"),
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
    env: EnvType = {"mentions": {}}
    html = _markdown.render(text, env)
    return Rendered(html=_sanitise(html), mentions=tuple(env["mentions"]))


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
    code = _coloured(token.content.rstrip("\n"), language)
    return f'<div class="code" data-lang="{escape(language[:24])}"><pre><code>{code}</code></pre></div>\n'


def _coloured(code: str, language: str) -> str:
    if language and len(code) <= _HIGHLIGHT_UP_TO:
        try:
            return highlight(code, get_lexer_by_name(language, stripnl=False), _formatter).rstrip("\n")
        except ClassNotFound:
            pass
    return escape(code)


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
