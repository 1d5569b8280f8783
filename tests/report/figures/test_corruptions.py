"""The field of corruptions: one column per method, means over seeds, nothing where nothing was measured."""

from __future__ import annotations

import pytest
from drawn import unchanged

from coldframe.report import Table
from coldframe.report.figures.comparison import all_figures
from coldframe.report.figures.corruptions import corruption_figure, corruption_means
from coldframe.report.figures.style import as_png
from coldframe.results.columns import columns


def table_of(*methods: str, n: int = 50) -> Table:
    table = Table()
    for method in methods:
        for seed, top1 in enumerate((0.2, 0.6)):
            by = {"fog": top1, "glass-blur": 0.9}
            worse = {"corruption_top1": top1, "corruptions": {"n": 50, "clean_top1": 0.9, "top1": by}}
            worse |= {"clean_top1": 0.9, "disturbed_n": 50}
            table.add({"method": method, "seed": seed, "n": n, "top1": 0.95, **worse})
    return table


def texts(table: Table) -> list[str]:
    figure = corruption_figure(table)
    assert figure is not None
    return [text.get_text() for text in figure.axes[0].texts]


def test_numbers_are_means_over_seeds() -> None:
    table = table_of("knn")
    assert corruption_means(table.groups()[0]) == pytest.approx({"fog": 0.4, "glass-blur": 0.9})
    assert texts(table) == ["90", "40", "40", "90"]
    assert len(texts(table_of("knn", "linear-probe", "fine-tune"))) == 12


def test_clean_images_stand_beside_where_others_were_disturbed() -> None:
    """One table never sets a number on some images beside a number on others without the clean one of the same images."""
    heads = [[column.title for column in columns(table_of("knn", n=n))] for n in (50, 900)]
    assert "clean, same" not in heads[0] and heads[1].index("clean, same") == heads[1].index("corrupted") - 1
    figure = corruption_figure(table_of("knn", n=900))
    assert figure is not None and figure.axes[0].get_yticklabels()[0].get_text() == "clean"


def test_the_figure_is_one_of_the_reports_and_absent_where_nothing_was_measured() -> None:
    drawn = all_figures(table_of("knn", "linear-probe"))
    assert len(as_png(drawn["robustness_by_corruption"])) > 1000
    assert corruption_figure(Table([{"method": "knn", "top1": 0.5}])) is None


def test_it_is_drawn_as_it_was() -> None:
    for name, methods in {"one": ("knn",), "two": ("knn", "linear-probe")}.items():
        unchanged(__file__, f"corruptions_of_{name}", corruption_figure(table_of(*methods)))


def test_long_names_are_cut_to_twenty_letters() -> None:
    figure = corruption_figure(table_of("m" * 40))
    assert figure is not None and [len(label.get_text()) for label in figure.axes[0].get_xticklabels()] == [20]
