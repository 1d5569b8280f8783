from drawn import same_text

from coldframe.report import About, Table
from coldframe.results.columns import cells, columns, headline, trust_tables, value


def test_only_what_was_measured_has_a_column():
    table = Table([{"method": "zero-shot", "top1": 0.689}, {"method": "linear-probe", "top1": 0.937, "train_seconds": 1.1}])
    assert cells(table) == [["method", "top-1", "training"], ["zero-shot", "68.9", "-"], ["linear probe", "93.7", "1.1 s"]]


def test_headline_leaves_out_what_is_not_known(make_table):
    assert headline(make_table().about) == (
        "ViT-B-32 (openai), 87.8 M parameters · flowers: 2,936 train, 367 val, 240 test, 5 classes · cpu, 2 threads, fp32"
    )
    assert headline(About()) == ""
    assert headline(About(data="flowers")) == "flowers"


def test_the_columns_of_noise_and_attack_name_their_strength(make_table):
    table = make_table()
    assert "noise 0.1" in cells(table)[0]
    attacked = Table([{"method": "knn", "robust_top1": 0.25}], about=About(attack="4/255"))
    assert cells(attacked) == [["method", "attacked 4/255"], ["nearest neighbours", "25.0"]]
    assert all(column.meaning for column in columns(table))


def test_every_cell_and_number_of_a_table(make_table):
    """What a table shows of the made-up comparison, with the numbers that columns are ordered by."""
    table = make_table()
    table.rows[0] |= {"intervals": {"map": [0.25, 0.75], "ece_scaled": [0.01, 0.03]}, "map": 0.5, "unknown": "9 images of x"}
    for row in table.rows:
        row |= {"temperature": 0.5, "ece_scaled": 0.021, "lac_size": 1.2, "max_logit_auroc": 0.7, "clean_top1": 0.8}
    lines = [" | ".join(row) for row in cells(table)]
    for group in table.groups():
        numbers = [value(field, group) for field in columns(table)]
        lines.append(" | ".join("-" if number is None else f"{number:.4g}" for number in numbers))
    for heading, fields, rows in trust_tables(table):
        lines += [heading, " | ".join(field.name for field in fields), *(" | ".join(row) for row in rows)]
    same_text(__file__, "cells", "\n".join([headline(table.about), *lines]) + "\n")


def test_the_clean_column_stands_only_beside_fewer_images():
    row = {"method": "knn", "n": 9, "top1": 0.5, "clean_top1": 0.4}
    for disturbed, there in ((4, True), (9, False), (None, False)):
        names = [field.name for field in columns(Table([row | {"disturbed_n": disturbed}]))]
        assert ("clean_top1" in names) == there
    assert headline(About(model="m", parameters=1200, test=0)) == "m, 1,200 parameters · 0 test"
