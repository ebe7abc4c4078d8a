"""Build the documentation site, offline, from docs/ and results/: python docs/build.py.

The pages link to tables in results/, so these become pages of the site. Both are copied into one
folder, build/docs, and the links are adapted. A warning of the builder, such as a broken link, is
an error.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "build" / "docs"
CACHE = ROOT / ".cache"  # of the builder; a cached page would hide its warnings


def gather() -> None:
    """Copy the pages of the site into one folder."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copytree(ROOT / "results", PAGES / "results")
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("](../results/", "](results/"), encoding="utf-8")


def main() -> int:
    """Build the site into build/site and return the builder's exit status."""
    gather()
    shutil.rmtree(CACHE, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", "mkdocs.yml"]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603
    shutil.rmtree(CACHE, ignore_errors=True)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
