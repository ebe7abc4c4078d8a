"""What tests of pages share: the outline of a page, and a text that must stay text."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = """\\" + hacked() + "</script><img src=x onerror=hacked()>&\x1b[2J{{7*7}}\u202e'--><b>"""
VOID = {"meta", "link", "input", "br", "img"}


class Outline(HTMLParser):
    """Elements of a page with their attributes, its tables as text, and unclosed elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, {name: value or "" for name, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
