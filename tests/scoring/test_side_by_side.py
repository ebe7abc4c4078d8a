"""Tables of several image sets, with each model's accuracy on the other sets."""

from pathlib import Path

import pytest

from benchmarking.cli import main
from benchmarking.predictions.stores import as_stores
from benchmarking.reports.columns import sorted_by, wide
from benchmarking.reports.records import record
from benchmarking.scoring.aggregate import aggregate
from benchmarking.scoring.side_by_side import side_by_side

SHIPPED = Path(__file__).parents[2] / "precomputed"


@pytest.fixture(scope="module")
def tables():
    stores = as_stores(SHIPPED)
    return side_by_side([aggregate(stores, images) for images in stores.image_sets()])


def test_each_row_has_the_accuracy_of_its_model_on_the_other_set(tables):
    demo, sample = tables
    shares = {(r.run.source, r.run.model, r.run.recipe): r.scores["Acc@1"] for r in sample.rows}
    assert len(demo.rows) > 2
    for row in demo.rows:
        expected = shares[row.run.source, row.run.model, row.run.recipe]
        assert row.elsewhere == {f"Acc@1 on {sample.images}": expected}
        assert record(demo, row)[f"Acc@1 on {sample.images}"] == expected.share


def test_the_wide_table_has_a_column_for_each_other_set_and_is_sorted_by_it(tables):
    demo, sample = tables
    name = f"Acc@1 on {sample.images}"
    assert name in [column.heading for column in wide(demo)]
    shares = [row.elsewhere[name].share for row in sorted_by(demo, name).rows]
    assert shares == sorted(shares, reverse=True)


def test_a_set_with_two_tables_is_beside_none(tables):
    demo, sample = tables
    first, *_ = side_by_side([demo, sample, sample])
    assert all(row.elsewhere == {} for row in first.rows)


def test_a_model_without_a_run_on_the_other_set_has_an_empty_cell(tables):
    demo, sample = tables
    from dataclasses import replace

    first, _ = side_by_side([demo, replace(sample, rows=sample.rows[:1])])
    known = [row for row in first.rows if row.elsewhere]
    (column,) = [one for one in wide(first) if one.heading == f"Acc@1 on {sample.images}"]
    assert [column.cell(row) != "" for row in first.rows] == [row in known for row in first.rows]


def test_the_command_sorts_by_another_set(capsys):
    name = "Acc@1 on imagenet-sample-500"
    assert main(["table", "--store", str(SHIPPED), "--wide", "--sort", name]) == 0
    assert name in capsys.readouterr().out


def test_one_set_alone_has_no_further_columns(capsys):
    main(["table", "--store", str(SHIPPED), "--wide", "--images", "demo"])
    assert " on " not in capsys.readouterr().out.splitlines()[1]
