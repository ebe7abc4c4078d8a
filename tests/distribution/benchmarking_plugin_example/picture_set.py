"""Pictures in the rows of an SQLite database, instead of files or parts of files.

The table is created by CREATE TABLE pictures (key TEXT PRIMARY KEY, class INTEGER, data BLOB).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarking.errors import PictureError
from benchmarking.pictures.image_set import Picture
from benchmarking.pictures.sets import Contents, Match

PLUGIN = "picture_sets"
NAME = "sqlite"
DESCRIPTION = "an SQLite database with a table of pictures of four kinds of fruit"

CLASSES = (948, 949, 950, 951)
"""Granny Smith, strawberry, orange and lemon."""


@dataclass(frozen=True, slots=True)
class Row:
    """A picture in a row of a database; workers unpickle it and open the database themselves.

    Attributes:
        database: path of the database file.
        key: key of the row.
    """

    database: str
    key: str

    def __str__(self) -> str:
        return f"{self.database}, row {self.key!r}"

    def read(self) -> bytes:
        """The picture's bytes.

        Raises:
            PictureError: the database cannot be read, or has no such picture.
        """
        found = _select(self.database, "SELECT data FROM pictures WHERE key = ?", self.key)
        if not found or not isinstance(found[0][0], bytes):
            raise PictureError(f"{self} holds no picture.")
        return found[0][0]


def match(where: str) -> Match:
    """Match any database with such a table, regardless of its name."""
    try:
        _select(where, "SELECT key, class, data FROM pictures LIMIT 0")
    except PictureError:
        return Match.NONE
    return Match.LAYOUT


def open_pictures(where: str) -> Contents:
    """The pictures of a database, sorted by class and key.

    Raises:
        PictureError: it cannot be read, or has no pictures.
    """
    rows = _select(where, "SELECT key, class FROM pictures ORDER BY class, key")
    if not rows:
        raise PictureError(f"{where} holds no pictures; put some into its table 'pictures'.")
    pictures = (Picture(key, label, Row(where, key)) for key, label in rows)
    return Contents(tuple(pictures), CLASSES)


def _select(database: str, query: str, *values: str) -> list[Any]:
    """Rows of a database, opened read-only: otherwise sqlite3 would create a missing one."""
    address = f"{Path(database).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise PictureError(f"{database} cannot be read as a database: {error}.") from error
