"""Writing pages to a folder, whose earlier pages they replace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from benchmarking.errors import BenchmarkError
from benchmarking.io import files

LIST = "pages.txt"
"""File with the paths of all pages of a folder, one in a line."""


def write_pages(pages: Mapping[str, str], folder: Path) -> None:
    """Write pages to a folder, and remove the pages that an earlier call has left there.

    Args:
        pages: the contents of each page by its path, relative to the folder.
        folder: a new or empty folder, or one that this function wrote.

    Raises:
        BenchmarkError: the folder has files of others, or a link in the place of a folder, or a
            page cannot be written.
    """
    earlier = _earlier(folder)
    listed = sorted(pages)
    _refuse_links(folder, listed)
    # First with the earlier pages, so that none is forgotten if this is interrupted.
    _write_list(folder, sorted({*earlier, *listed}))
    for path in listed:
        files.write(folder / path, pages[path].encode())
    for path in earlier - set(listed):
        _remove(folder, path)
    _write_list(folder, listed)


def _write_list(folder: Path, paths: list[str]) -> None:
    files.write(folder / LIST, "".join(f"{path}\n" for path in paths).encode())


def _earlier(folder: Path) -> set[str]:
    """Paths of the pages of an earlier call.

    Raises:
        BenchmarkError: the folder has files, and no list of pages.
    """
    try:
        if not folder.exists() or not any(folder.iterdir()):
            return set()
        found = files.read_regular(folder / LIST).decode().splitlines()
    except FileNotFoundError as error:
        raise BenchmarkError(
            f"{folder} has files, but not {LIST}, so it has no pages of this command; name a new "
            "folder."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{folder} cannot be read: {error}.") from error
    return {path for path in found if _is_inside(path)}


def _is_inside(path: str) -> bool:
    """Whether a path can be that of a page: one inside of the folder that is not hidden."""
    parts = PurePosixPath(path)
    is_hidden = any(part.startswith(".") for part in parts.parts)
    return bool(path) and not parts.is_absolute() and not is_hidden


def _refuse_links(folder: Path, paths: Iterable[str]) -> None:
    """Refuse to write through a link, which may lead to files of the user.

    Raises:
        BenchmarkError: there is one in the folder.
    """
    for path in paths:
        if link := files.link_within((folder / path).parent, folder):
            raise BenchmarkError(
                f"{link} is a link, and pages are written within {folder} only; remove the link, "
                "or name a new folder."
            )


def _remove(folder: Path, path: str) -> None:
    """Remove a page, and the folders that are empty without it; nothing behind a link."""
    if files.link_within((folder / path).parent, folder):
        return
    with suppress(OSError):
        (folder / path).unlink()
        for parent in list((folder / path).relative_to(folder).parents)[:-1]:
            (folder / parent).rmdir()
