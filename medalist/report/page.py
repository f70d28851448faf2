"""Sections -> the page: skeleton, contents, and the promise to load nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medalist.report.markup import Section, said, tag
from medalist.report.style import css, policy, script

MADE = '<meta name="generator" content="medalist report">'
SHOWN = "medalist-shown"


def page(title: str, facts: str, top: str, sections: Sequence[Section], shown: Sequence[str] = ()) -> str:
    """The whole document.

    Args:
        title: what the page is of; anybody's text.
        facts: HTML below it.
        top: HTML of the numbers before all sections.
        sections: in their order.
        shown: options that it was written with, see `shown_in`.
    """
    links = [tag("li", tag("a", one.title, href=f"#{one.name}")) for one in sections]
    body = [
        tag("a", "Skip to the numbers", href="#main", class_="skip"),
        tag(
            "div",
            tag(
                "header",
                tag("p", "medalist report", class_="kicker"),
                tag("h1", said(title)),
                tag("p", facts, class_="facts"),
            ),
            tag("nav", tag("ul", *links), aria_label="Contents"),
            tag("main", top, *map(_section, sections), id="main", tabindex=-1),
            tag(
                "footer", "Made by medalist from the run's folder alone. Works from disk; loads nothing from elsewhere."
            ),
            class_="page",
        ),
        f"<script>{script()}</script>",
    ]
    head = [
        '<meta charset="utf-8">',
        MADE,
        f'<meta name="{SHOWN}" content="{" ".join(shown)}">',
        tag("meta", http_equiv="Content-Security-Policy", content=policy()).removesuffix("</meta>"),
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        tag("title", f"{said(title)} – medalist report"),
        f"<style>{css()}</style>",
    ]
    return f'<!doctype html>\n<html lang="en">\n{tag("head", *head)}\n{tag("body", *body)}\n</html>\n'


def shown_in(text: str) -> list[str] | None:
    """The options that a page was written with; None where it does not say."""
    found = re.search(rf'<meta name="{SHOWN}" content="([^"]*)">', text)
    return None if found is None else found[1].split()


def _section(one: Section) -> str:
    head = tag("h2", one.title, id=f"{one.name}-title")
    lead = tag("p", one.lead, class_="lead") if one.lead else ""
    return "\n" + tag("section", head, lead, one.body, id=one.name, aria_labelledby=f"{one.name}-title")
