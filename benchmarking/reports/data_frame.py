"""Tables as data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarking.errors import requires
from benchmarking.reports.columns import lines
from benchmarking.scoring.table import AccuracyTable

if TYPE_CHECKING:
    import pandas as pd


def pandas_frame(tables: Sequence[AccuracyTable]) -> pd.DataFrame:
    """Tables as a data frame: the columns of the .csv format, shares in [0, 1].

    Raises:
        MissingDependency: pandas is not installed.
    """
    with requires("pandas"):
        import pandas as pd

    return pd.DataFrame(lines(tables))
