"""What is new: the runs by the date of their predictions, also as a feed (RSS 2.0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from benchmarking.io.printable import printable
from benchmarking.predictions.digests import file_sha256
from benchmarking.predictions.run import Run
from benchmarking.reports.figures import Subject
from benchmarking.reports.html_page._panels import NOT_RECORDED
from benchmarking.scoring.table import Row

FEED = "changes.xml"
"""Path of the feed."""

_MOST = 200  # items of the feed
_FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Change:
    """A run as an item of news.

    Attributes:
        title: the run and its accuracy.
        address: path of the page of its model.
        key: digest of the run's file, which names the run and how it was made.
        date: when its predictions were made; None if that was not recorded.
    """

    title: str
    address: str
    key: str
    date: datetime | None

    @property
    def day(self) -> str:
        """The date in words."""
        return self.date.date().isoformat() if self.date else NOT_RECORDED


def changes(subjects: Sequence[Subject], addresses: Mapping[Run, str]) -> list[Change]:
    """The runs, newest first; those without a date come last.

    Args:
        subjects: the runs, with their tables.
        addresses: path of the page of each run's model.
    """
    found = [
        Change(
            _title(subject.column, name, row),
            addresses[row.run],
            file_sha256(subject.stores.path(row.run)),
            _date(row.provenance.started),
        )
        for subject in subjects
        for name, row in zip(subject.names, subject.rows, strict=True)
    ]
    return sorted(found, key=lambda one: one.date or _FIRST, reverse=True)


def _title(column: str, name: str, row: Row) -> str:
    score = row.scores[column]
    text = (
        f"{name} on {row.run.images}: {column} {100 * score.share:.2f} % "
        f"[{100 * score.low:.2f}, {100 * score.high:.2f}]"
    )
    text += f", {row.provenance.design.in_words}" if row.provenance.design else ""
    return printable(text)


def _date(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def feed(news: Sequence[Change], title: str, root: str) -> str:
    """The newest changes as RSS 2.0.

    Source: RSS Advisory Board, RSS 2.0 Specification.

    Args:
        news: the changes, newest first.
        title: title of the pages.
        root: address of the folder of the pages; if empty, links are relative.
    """
    from xml.etree import ElementTree

    rss = ElementTree.Element("rss", version="2.0")
    channel = ElementTree.SubElement(rss, "channel")
    texts = {
        **{"title": title, "link": f"{root}index.html", "language": "en"},
        "description": "New and changed runs, with their accuracy and its 95 % interval.",
    }
    for name, text in texts.items():
        ElementTree.SubElement(channel, name).text = text
    for one in news[:_MOST]:
        item = ElementTree.SubElement(channel, "item")
        ElementTree.SubElement(item, "title").text = one.title
        ElementTree.SubElement(item, "link").text = root + one.address
        ElementTree.SubElement(item, "guid", isPermaLink="false").text = one.key
        if one.date:
            ElementTree.SubElement(item, "pubDate").text = format_datetime(one.date)
    ElementTree.indent(rss)
    text = ElementTree.tostring(rss, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'
