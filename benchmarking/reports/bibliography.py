"""Works that a paper cites: as BibTeX, as text, and by the models that they describe.

data/works.csv has the works, and data/papers_of_models.csv says which of them describe the
architecture of a model, and who states this: the documentation of torchvision or Keras, or the
README of EfficientNet-Lite. data/papers_of_sets.csv does the same for published picture sets.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from benchmarking import __version__
from benchmarking.io.files import shipped_rows
from benchmarking.models.published import weights_source
from benchmarking.reports.latex_text import escaped

RELEASED = "2026-11-26"
"""Date of the release of this version, as in CITATION.cff."""

# Combining characters, and the commands of LaTeX for them.
_ACCENTS = {
    **{"\N{COMBINING ACUTE ACCENT}": "'", "\N{COMBINING GRAVE ACCENT}": "`"},
    **{"\N{COMBINING DIAERESIS}": '"', "\N{COMBINING CIRCUMFLEX ACCENT}": "^"},
    **{"\N{COMBINING TILDE}": "~", "\N{COMBINING CEDILLA}": "c "},
    **{"\N{COMBINING RING ABOVE}": "r ", "\N{COMBINING CARON}": "v "},
}
_VENUES = {"article": "journal", "inproceedings": "booktitle"}


@dataclass(frozen=True)
class Work:
    """A paper or a program.

    Attributes:
        key: its key in BibTeX.
        kind: type of its entry: "article", "inproceedings" or "misc".
        authors: family name, comma, given names; an organisation has no comma.
        title: its title.
        venue: the journal or the proceedings.
        year: year of the publication; empty if it is not known.
        volume: volume of the journal or the proceedings.
        number: issue of the journal.
        pages: first and last page.
        arxiv: identifier of the preprint.
        doi: identifier of the publication.
        url: address, if it was not published otherwise.
        note: other facts, such as the version of a program.
    """

    key: str
    kind: str
    authors: tuple[str, ...]
    title: str
    venue: str = ""
    year: str = ""
    volume: str = ""
    number: str = ""
    pages: str = ""
    arxiv: str = ""
    doi: str = ""
    url: str = ""
    note: str = ""


THIS_PACKAGE = Work(
    "imagenet-benchmarking",
    "misc",
    ("The imagenet-benchmarking authors",),
    "imagenet-benchmarking",
    year=RELEASED[:4],
    note=f"Version {__version__}",
)


def work(key: str) -> Work:
    """The work with a key of data/works.csv."""
    return _works()[key]


def papers_of(source: str, model: str) -> tuple[Work, ...]:
    """The papers that describe the architecture of a model; none if they are not known.

    >>> [paper.key for paper in papers_of("2019-keras", "mobilenetV2")]
    ['sandler2018mobilenetv2']
    >>> papers_of("mine", "resnet50")
    ()
    """
    place, name = weights_source(source), model.casefold()
    exact = _papers().get((place, name))
    # Other weights of an architecture are part of the name, as in resnet50.IMAGENET1K_V2, and a
    # quantized model has the architecture of the model in floating point.
    architecture = name.partition(".")[0].removeprefix("quantized_")
    return exact or _papers().get((place, architecture), ())


def papers_of_set(name: str) -> tuple[Work, ...]:
    """The papers that describe a published picture set; none for others.

    >>> [paper.key for paper in papers_of_set("imagenet-v2")], papers_of_set("mine")
    (['recht2019imagenet'], ())
    """
    return _papers_of_sets().get(name, ())


def bibtex(one: Work) -> str:
    """A work as an entry of BibTeX.

    >>> print(bibtex(work("krizhevsky2014weird")))
    @misc{krizhevsky2014weird,
      author = {Krizhevsky, Alex},
      title = {{One weird trick for parallelizing convolutional neural networks}},
      year = {2014},
      howpublished = {arXiv:1404.5997},
      eprint = {1404.5997},
      archiveprefix = {arXiv},
    }
    """
    fields = "".join(f"  {name} = {{{value}}},\n" for name, value in _fields(one) if value)
    return f"@{one.kind}{{{one.key},\n{fields}}}"


def plain(one: Work) -> str:
    """A work as a line of text.

    >>> plain(work("krizhevsky2014weird"))
    'A. Krizhevsky. One weird trick for parallelizing convolutional neural networks. 2014. \
arXiv:1404.5997.'
    """
    issue = f"{one.volume}({one.number})" if one.number else one.volume
    pages = f":{one.pages}" if one.pages else ""
    parts = [
        ", ".join(map(_initials, one.authors)),
        one.title.rstrip("."),
        " ".join(filter(None, [one.venue, issue])) + pages,
        *(one.note, one.year),
        f"doi:{one.doi}" if one.doi else f"arXiv:{one.arxiv}" if one.arxiv else one.url,
    ]
    return " ".join(part if part.endswith("?") else f"{part}." for part in parts if part)


def _fields(one: Work) -> Iterator[tuple[str, str]]:
    # The braces keep BibTeX from splitting the name of an organisation.
    names = ((_escaped(author), "," in author) for author in one.authors)
    yield "author", " and ".join(name if person else f"{{{name}}}" for name, person in names)
    yield "title", f"{{{_escaped(one.title)}}}"
    yield _VENUES.get(one.kind, "booktitle"), _escaped(one.venue)
    yield "year", one.year
    yield "volume", one.volume
    yield "number", one.number
    yield "pages", one.pages.replace("-", "--")
    yield "note", _escaped(one.note)
    if one.kind == "misc":
        yield "howpublished", f"arXiv:{one.arxiv}" if one.arxiv else ""
    yield "eprint", one.arxiv
    yield "archiveprefix", "arXiv" if one.arxiv else ""
    yield "doi", one.doi
    yield "url", one.url


def _escaped(text: str) -> str:
    """Text for LaTeX and BibTeX, with accents as commands, which every style sorts rightly."""
    return "".join(map(_escaped_character, unicodedata.normalize("NFC", text)))


def _escaped_character(character: str) -> str:
    decomposed = unicodedata.normalize("NFD", character)
    base, accent = decomposed[:1], decomposed[1:]
    if accent in _ACCENTS:
        return f"{{\\{_ACCENTS[accent]}{base}}}"
    return escaped(character)


def _initials(author: str) -> str:
    family, comma, given = author.partition(", ")
    if not comma:
        return author
    parts = (part for name in given.split() for part in name.split("-"))
    return f"{' '.join(f'{part[0]}.' for part in parts)} {family}"


@cache
def _works() -> dict[str, Work]:
    return {
        row["key"]: Work(
            row["key"],
            row["type"],
            tuple(filter(None, row["authors"].split("; "))),
            **{
                name: row[name]
                for name in ("title", "venue", "year", "volume", "number", "pages")
                + ("arxiv", "doi", "url")
            },
        )
        for row in shipped_rows("works.csv")
    }


@cache
def _papers() -> dict[tuple[str, str], tuple[Work, ...]]:
    return {
        (row["source"], model.casefold()): tuple(map(work, row["works"].split()))
        for row in shipped_rows("papers_of_models.csv")
        for model in row["models"].split()
    }


@cache
def _papers_of_sets() -> dict[str, tuple[Work, ...]]:
    rows = shipped_rows("papers_of_sets.csv")
    return {row["set"]: tuple(map(work, row["works"].split())) for row in rows}
