"""Templates of pages, filled in: names of runs are text in them, and nothing can be loaded."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from benchmarking import __version__
from benchmarking.errors import requires
from benchmarking.reports.html_page._figures import dark_rules

_POLICY = (
    "default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def rendered(template: str, **values: object) -> str:
    """A page that extends base.html; its style and its script are within it.

    Args:
        template: path of the template in the folder `reports`.
        values: what the template shows.

    Raises:
        MissingDependency: Jinja2 is not installed.
    """
    with requires("report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=PackageLoader("benchmarking.reports", "."),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    script = _text("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text: str = environment.get_template(template).render(
        policy=_POLICY.format(digest=digest),
        style=_text("page.css") + dark_rules(),
        script=script,
        version=__version__,
        **values,
    )
    return text


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
