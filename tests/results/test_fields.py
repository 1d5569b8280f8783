"""One list of measures: rows, files, columns, CSV and the page's legend follow it."""

from __future__ import annotations

import csv
import html
from typing import Any

import numpy as np
import pytest
from drawn import same_text

from coldframe import measures
from coldframe.errors import FileError
from coldframe.report import Table
from coldframe.report.page import page
from coldframe.results import wording
from coldframe.results.fields import CORRELATIONS, FIELDS, FRACTIONS, IDENTITY, MEASURED, REQUIRED, measured
from coldframe.results.rows import check_row, complete

SCHEMA = [
    "method", "model", "data", "seed", "split", "n", "top1", "top5", "mean_per_class", "ece", "train_seconds", "cold_seconds",
    "latency_ms", "peak_memory_mb", "trainable_parameters", "stored_bytes",
]  # fmt: skip
"""The fields of ``results.json`` as they were published: files of older versions are read by them."""


def test_the_schema_of_results_json_stays() -> None:
    assert list(REQUIRED) == SCHEMA and list(IDENTITY) == SCHEMA[:6]
    plain = tuple(field.name for field in FIELDS if field.optional and not field.section)
    assert plain == (
        "val_top1",
        "map",
        "micro_f1",
        "macro_f1",
        "kappa",
        "spearman",
        "rank_error",
        "clean_top1",
        "noise_top1",
        "corruption_top1",
        "robust_top1",
        "fooled",
        "settings_tried",
        "latency_processor_ms",
    )
    assert sorted(MEASURED) == sorted(field.name for field in FIELDS)
    assert {f.name for f in FIELDS if f.kind == "fraction" and not f.section} == {
        "top1", "top5", "mean_per_class", "ece", "val_top1", "map", "micro_f1", "macro_f1", *plain[7:12],
    }  # fmt: skip
    assert {f.name for f in FIELDS if f.section and f.kind == "amount"} == {
        "temperature", "brier", "nll", "lac_size", "aps_size", "raps_size",
    }  # fmt: skip
    assert len({field.name for field in FIELDS}) == len(FIELDS) and all(field.meaning for field in FIELDS)


def test_what_follows_from_probabilities_is_measured_by_its_function() -> None:
    probabilities, labels = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]), np.array([0, 1, 1])
    assert measured(probabilities, labels) == {
        "top1": pytest.approx(2 / 3), "top5": None, "mean_per_class": 0.75, "ece": measures.ece(probabilities, labels),
    }  # fmt: skip


@pytest.mark.parametrize("name", MEASURED)
def test_every_field_is_checked_where_a_file_is_read(name: str) -> None:
    check_row({"method": "knn", name: 0.5}, "results.json", "write it again")
    bounded = name in FRACTIONS or name in CORRELATIONS
    for wrong in ("0.5", -1.1 if name in CORRELATIONS else -0.1, *([1.5] if bounded else [])):
        with pytest.raises(FileError, match=name):
            check_row({"method": "knn", name: wrong}, "results.json", "write it again")


def test_a_field_stands_in_every_place() -> None:
    """Each field with a heading is a column in CSV, in Markdown and on the page, with its meaning in the legend."""
    values: dict[str, Any] = dict.fromkeys(MEASURED, 0.5) | {"disturbed_n": 5, "n": 10}
    table = Table([complete({"method": "knn", **values})])
    drawn, markdown = page(table, figures={}), table.to_markdown()
    head = next(csv.reader(table.to_csv().splitlines()))
    for field in FIELDS:
        assert field.name in head
        meaning = html.escape(field.meaning, quote=False)
        assert not field.title or (field.title in drawn and meaning in drawn.replace("&#39;", "'"))
        if field.section:  # sections belong to the page
            assert f"| {field.title} |" not in markdown
        else:
            assert not field.title or field.title in markdown


def test_only_what_decides_says_its_interval() -> None:
    assert [field.name for field in FIELDS if "±" in field.format(0.5, 0.25)] == ["top1", "map"]
    said = {field.name: field.format(0.5, None) for field in FIELDS}
    assert said["top5"] == wording.percent(0.5) == "50.0" and said["ece"] == ".50" and said["train_seconds"] == "0.5 s"
    assert said["latency_ms"] == "0.5 ms" and said["peak_memory_mb"] == "500 kB"


def test_every_field_is_as_it_was() -> None:
    """Its heading, meaning, kind, place and how it is written: what tables, files and pages show."""
    said = [
        f"{f.name} | {f.title} | {f.meaning} | {f.kind} | {f.weight} | {f.section} | optional: {f.optional} | {f.strength} | "
        f"{f.format(0.25, 0.125)} | {f.format(1234.5, None)} | {f.format(None, None)}\n"
        for f in FIELDS
    ]  # fmt: skip
    same_text(__file__, "fields", "".join(said))
