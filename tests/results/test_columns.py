from coldframe.report import About, Table
from coldframe.results.columns import cells, columns, headline


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
