"""Download of the archives of published picture sets, with their sizes and digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from benchmarking.errors import BenchmarkError
from benchmarking.io import downloads, files
from benchmarking.io.bounded import bounded
from benchmarking.io.files import in_bytes
from benchmarking.pictures.set_facts import Archive
from benchmarking.pictures.sets import published_sets

_BLOCK = 2**20  # bytes


def archives() -> dict[str, Archive]:
    """Every published archive with a digest, by the name of its set, or of its part of the set."""
    return {
        archive.name or name: archive
        for name, facts in published_sets().items()
        for archive in facts.archives
        if archive.size and (archive.sha256 or archive.md5)
    }


def fetch_archive(
    archive: Archive, origin: str | Path | None, folder: Path, bar: Callable[[int], Any]
) -> bool:
    """Fetch an archive into a folder and compare it with its digest; True if it was there before.

    A file with its final name is complete and verified. After an interruption, the next call
    resumes in the middle if the server can.

    Args:
        archive: the archive.
        origin: address of a mirror, or folder with the archive; None for its public address.
        folder: the folder for the file.
        bar: returns a progress bar of tqdm for a number of bytes.

    Raises:
        BenchmarkError: there is no address, the address or folder has another file, the server
            does not respond, or the disk is too full.
    """
    path, size = folder / archive.file, archive.size or 0
    if path.is_file() and not _difference(path, archive):
        return True
    files.check_writable(folder)
    if files.free(folder) < size:
        raise BenchmarkError(
            f"the disk of {folder} has {in_bytes(files.free(folder))} free; {archive.file} needs "
            f"{in_bytes(size)}. Make room, or name another folder with --to."
        )
    with bar(size) as shown:
        if isinstance(origin, Path):
            _copy(origin / archive.file, archive, path, shown)
        else:
            _download(_address(archive, origin), archive, path, shown)
    return False


def _address(archive: Archive, mirror: str | None) -> str:
    if mirror is not None:
        return f"{mirror.rstrip('/')}/{quote(archive.file)}"
    if not archive.url:
        raise BenchmarkError(
            f"{archive.file} has no public address that is known here; download it as its authors "
            "say, and name its folder with --from DIR to check it."
        )
    return archive.url


def _download(url: str, archive: Archive, path: Path, bar: Any) -> None:
    try:
        downloads.save(
            url,
            path,
            lambda file: _bounded(file, archive, url, bar),
            lambda file: _check(file, archive, url),
        )
    except downloads.DownloadError as error:
        raise BenchmarkError(
            f"{error}. The same command tries again, and resumes if the server can. Without "
            f"network, download {archive.file} elsewhere and name its folder with --from."
        ) from error


def _copy(source: Path, archive: Archive, path: Path, bar: Any) -> None:
    try:
        with files.open_regular(source) as given, files.replacing(path) as file:
            into = _bounded(file, archive, str(source), bar)
            while block := given.read(_BLOCK):
                into.write(block)
            file.flush()
            _check(file, archive, str(source))
    except OSError as error:
        raise BenchmarkError(f"{source} cannot be read: {error.strerror}.") from error


def _bounded(file: BinaryIO, archive: Archive, where: str, bar: Any) -> BinaryIO:
    size = archive.size or 0
    text = f"{where} has more than the {size:,} bytes of {archive.file}."
    return bounded(file, size, bar, lambda: BenchmarkError(text))


def _check(file: BinaryIO, archive: Archive, where: str) -> None:
    """Compare a complete file with the published size and digest.

    Raises:
        BenchmarkError: they differ.
    """
    if difference := _difference(Path(file.name), archive):
        raise BenchmarkError(f"{where} is not the published {archive.file}: {difference}.")


def _difference(path: Path, archive: Archive) -> str:
    """How a file differs from the published one; "" if it does not."""
    size = path.stat().st_size
    if size != archive.size:
        return f"it has {size:,} bytes, not {archive.size:,}"
    kind = "sha256" if archive.sha256 else "md5"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    published = archive.sha256 or archive.md5
    return "" if found == published else f"its {kind} is {found}, not {published}"
