"""Markdown of users and of analyses as HTML: text, lists and tables; no HTML of its own, no links and no images."""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

_LEFT_OUT = ("heading", "lheading", "html_block", "html_inline", "image", "link", "autolink", "reference")
"""Headings would break the order of those of the report; the others could lead out of it."""


def to_html(markdown: str) -> str:
    """Return Markdown as HTML. A table scrolls by itself where it is wider than the page."""
    return str(_PARSER.render(markdown))


def sentence_to_html(text: str) -> str:
    """Return a sentence as HTML: what stands between backticks is code, everything else is as it is."""
    return str(_SENTENCES.renderInline(text))


def _open_table(*_: object) -> str:
    return '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>'


def _close_table(*_: object) -> str:
    return "</table></div>"


def _open_heading(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: Any) -> str:
    tokens[at].attrSet("scope", "col")
    return renderer.renderToken(tokens, at, options, env)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(_LEFT_OUT)
    parser.add_render_rule("table_open", _open_table)
    parser.add_render_rule("table_close", _close_table)
    parser.add_render_rule("th_open", _open_heading)
    return parser


_PARSER = _parser()
_SENTENCES = MarkdownIt("zero").enable("backticks")
