"""A figure as one HTML file, with all that it needs; no request leaves it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from html import escape
from typing import Any

from benchmarking.errors import requires
from benchmarking.reports.figures._theme import COLOURS, Theme

# Vega compiles its own expressions, which needs 'unsafe-eval'; nothing may be loaded.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:"
)

_GLOBAL = "window.vegaEmbed = vegaEmbed;"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ margin: 0; background: {background}; overflow-x: auto; }}</style>
</head>
<body>
<main id="figure" role="img" aria-label="{description}"></main>
<script type="application/json" id="spec">{spec}</script>
<script>{library}</script>
<script>
const spec = JSON.parse(document.getElementById("spec").textContent);
vegaEmbed("#figure", spec, {{
  mode: "vega-lite", renderer: "svg", actions: {{export: true, source: false, compiled: false,
  editor: false}},
}});
</script>
</body>
</html>
"""


def page(title: str, description: str, spec: Mapping[str, Any], theme: Theme) -> str:
    """A page that shows a specification, with values of marks under the pointer.

    Raises:
        MissingDependency: vl-convert is not installed.
    """
    with requires("report"):
        library = _library()
    return _PAGE.format(
        policy=escape(POLICY),
        title=escape(title),
        background=COLOURS[theme]["background"],
        description=escape(description),
        spec=json_in_html(spec),
        library=library,
    )


@cache
def _library() -> str:
    """The code that draws, as it can stand in a script element; it takes a second to make."""
    import vl_convert

    code: str = vl_convert.javascript_bundle(_GLOBAL)
    return code.replace("</script", r"<\\/script")


def json_in_html(value: object) -> str:
    r"""JSON that can stand in a script element: no text in it can end the element.

    >>> json_in_html("</script>&")
    '"\\u003c/script\\u003e\\u0026"'
    """
    text = json.dumps(value)
    return text.translate({ord(one): f"\\u{ord(one):04x}" for one in "<>&"})
