"""The leaderboard: public pages of a store, as files that any web server can serve.

    index.html                        the image sets, estimates last, and the table of the largest
    sets/NAME.html, .csv, .json, .bib   table and figures of an image set, and its downloads
    models.html                       all models
    models/SOURCE/MODEL/RECIPE.html   what is known of a model and its runs
    methods.html                      how the accuracies were computed
    submit.html                       how to add a run
    changes.html, changes.xml         the runs by date, for people and as RSS

No request leaves the pages. They are plain without JavaScript.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarking.errors import BenchmarkError
from benchmarking.io.printable import printable
from benchmarking.pictures.design import Design
from benchmarking.reports.citation import cite
from benchmarking.reports.figures import Subject
from benchmarking.reports.formats import csv_file, json_file
from benchmarking.reports.html_page._panels import Model, models, panels
from benchmarking.reports.html_page._rendering import rendered
from benchmarking.reports.html_page._sections import Section, sections
from benchmarking.reports.site._addresses import model_pages, set_pages
from benchmarking.reports.site._changes import FEED, Change, changes, feed
from benchmarking.reports.site.folder import write_pages
from benchmarking.scoring.table import LEVEL, MOST_PLACED
from benchmarking.scoring.verify import BACKEND_NOISE, REPRODUCED

TITLE = "Accuracy of pretrained ImageNet classifiers"

_RECENT = 5  # changes on the first page
_DOWNLOADS = {"CSV": ".csv", "JSON": ".json", "BibTeX": ".bib"}


@dataclass(frozen=True)
class ImageSetPage:
    """What the pages tell of an image set.

    Attributes:
        address: path of its page, without a suffix.
        design: how its pictures were drawn, if they are a sample; else None.
        n: number of its pictures.
        section: its table and its figures.
        accuracy: the accuracy of its best run, with the interval.
        methods: how its accuracies were computed, in sentences for a paper.
    """

    address: str
    design: Design | None
    n: int
    section: Section
    accuracy: str
    methods: str

    @property
    def pictures(self) -> str:
        """Number of its pictures in words, and of all if they are a sample."""
        return self.design.in_words.removesuffix(" pictures") if self.design else f"{self.n:,}"


def site(
    subjects: Sequence[Subject], left_out: Sequence[str] = (), *, address: str = ""
) -> dict[str, str]:
    """The pages of some runs, by their path; one subject for each image set.

    Args:
        subjects: the runs, with their tables.
        left_out: why other runs are in no table.
        address: where the pages will be, such as https://example.org/leaderboard, for the links
            of the feed; if empty, these are relative.

    Raises:
        BenchmarkError: a run is damaged, or the address is none of a web server.
        MissingDependency: Jinja2, Altair or vl-convert is not installed.
    """
    root = _root(address)
    found = models(subjects)
    addresses = model_pages(found)
    by_run = {row.row.run: addresses[model.anchor] for model in found for row in model.rows}
    sets = _sets(subjects, sections(subjects, found, by_run))
    news = changes(subjects, by_run)
    written = dict(_top_pages(sets, found, addresses, news, left_out))
    for one, subject in zip(sets, subjects, strict=True):
        path = f"{one.address}.html"
        written[path] = _page("set.html", path, one=one, suffixes=_DOWNLOADS)
        written |= {f"{one.address}{end}": text for end, text in _downloads(subject)}
    written |= _model_pages(sets, subjects, found, addresses)
    written[FEED] = feed(news, TITLE, root)
    return written


def _top_pages(
    sets: Sequence[ImageSetPage],
    found: Sequence[Model],
    addresses: Mapping[str, str],
    news: Sequence[Change],
    left_out: Sequence[str],
) -> Iterator[tuple[str, str]]:
    """The pages that the menu names, by their path."""
    complete_first = sorted(sets, key=lambda one: (one.design is not None, -one.n))
    values: dict[str, dict[str, object]] = {
        "index.html": {
            **{"sets": complete_first, "news": news[:_RECENT]},
            "left_out": [printable(one) for one in left_out],
        },
        "models.html": {"models": list(_listed(found, addresses))},
        "methods.html": {
            **{"sets": sets, "level": LEVEL, "most": MOST_PLACED},
            **{"reproduced": 100 * REPRODUCED, "noise": 100 * BACKEND_NOISE},
        },
        "submit.html": {},
        "changes.html": {"news": news},
    }
    for name, shown in values.items():
        yield name, _page(name, name, **shown)


def _model_pages(
    sets: Sequence[ImageSetPage],
    subjects: Sequence[Subject],
    found: Sequence[Model],
    addresses: Mapping[str, str],
) -> dict[str, str]:
    """A page for each model, with links to its image sets."""
    places = {
        row.run: one.address
        for one, subject in zip(sets, subjects, strict=True)
        for row in subject.rows
    }
    written = {}
    for model, panel in zip(found, panels(found), strict=True):
        path = addresses[model.anchor]
        own = {row.table.images: places[row.row.run] for row in model.rows}
        written[path] = _page("model.html", path, panel=panel, sets=own)
    return written


def _page(template: str, path: str, **values: object) -> str:
    """A page; its links begin with the way to the first page's folder."""
    return rendered(
        f"site/{template}",
        site_title=TITLE,
        path=path,
        root="../" * path.count("/"),
        feed=FEED,
        **values,
    )


def _sets(subjects: Sequence[Subject], made: Sequence[Section]) -> list[ImageSetPage]:
    return [
        ImageSetPage(
            address,
            subject.table.design,
            subject.table.n,
            section,
            _accuracy(subject),
            cite([subject.table], "text"),
        )
        for subject, section, address in zip(subjects, made, set_pages(subjects), strict=True)
    ]


def _accuracy(subject: Subject) -> str:
    score = subject.rows[0].scores[subject.column]
    return f"{100 * score.share:.2f} [{100 * score.low:.2f}, {100 * score.high:.2f}]"


def _downloads(subject: Subject) -> Iterator[tuple[str, str]]:
    """Suffix and contents of files with the table of an image set, and with what to cite."""
    tables = [subject.table]
    yield ".csv", csv_file.render(tables)
    yield ".json", json_file.render(tables)
    yield ".bib", cite(tables)


def _listed(found: Sequence[Model], addresses: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """Address, name, source, recipe and image sets of each model, by name."""
    for model in sorted(found, key=lambda one: _key(one.rows[0].row.run.model)):
        run = model.rows[0].row.run
        sets = ", ".join(dict.fromkeys(row.table.images for row in model.rows))
        yield addresses[model.anchor], run.model, run.source, run.recipe, sets


def _key(name: str) -> tuple[str, str]:
    return name.casefold(), name


def _root(address: str) -> str:
    """The address of the folder of the pages, with a slash at its end; empty if none is given."""
    if address and not address.startswith(("https://", "http://")):
        raise BenchmarkError(
            f"{address!r} is no address of a web server, such as https://example.org/leaderboard."
        )
    return address.rstrip("/") + "/" if address else ""


__all__ = ["TITLE", "site", "write_pages"]
