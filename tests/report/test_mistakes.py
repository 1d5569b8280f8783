import io
from dataclasses import replace

import pytest
from PIL import Image

from coldframe.report.figures.comparison import confused_pairs
from coldframe.report.mistakes import MOST_CLASSES, mistakes
from coldframe.report.page import page
from coldframe.results.parts import HardImage


def picture(kind: str = "jpeg") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, kind)
    return out.getvalue()


def with_wrong(table, *pairs):
    names = [str(name) for name in table.about.classes]
    table.wrong = [HardImage(picture(), names[a], names[b], 0.9, f"{names[a]}/{i}.jpg") for i, (a, b) in enumerate(pairs)]
    return table


def test_cells_with_pictures_are_buttons_that_name_their_pair(make_table):
    table = with_wrong(make_table(), (1, 0), (1, 0), (2, 3))
    found = mistakes(table)
    assert [name for name, _ in found["matrix"]] == list(table.about.classes)
    said = {(name, cell[3]): cell[2] for name, cells in found["matrix"] for cell in cells if cell[2]}
    assert set(said) == {("dandelion", "daisy"), ("roses", "sunflowers")}
    counts = next(d for d in table.details if d.method == "fine-tune").confusion
    assert said["roses", "sunflowers"] == f"roses taken for sunflowers: {counts[2][3]} of {sum(counts[2])} answers."
    assert [(name, count) for name, count, _ in found["wrong"]] == [("dandelion", 2), ("roses", 1)]


def test_the_page_holds_the_pictures_and_what_chooses_them(make_table):
    html = page(with_wrong(make_table(), (1, 0), (2, 3)))
    assert html.count("data:image/jpeg;base64,") == 2 and html.count("<button type=") == 2
    assert '<figure data-true="dandelion" data-predicted="daisy">' in html
    assert "dandelion/0.jpg" in html and 'id="wrong-shown"' in html


def test_many_classes_have_a_list_of_pairs(make_table):
    names = [f"class {i}" for i in range(MOST_CLASSES + 1)]
    table = make_table(classes=names)
    counts = next(d for d in table.details if d.method == "fine-tune").confusion
    true, taken = confused_pairs(counts, 1)[0]
    found = mistakes(with_wrong(table, (true, taken)))
    assert found["matrix"] is None and found["pairs"] == [(names[true], names[taken], counts[true][taken])]


def test_names_are_escaped_wherever_they_stand(make_table):
    html = page(with_wrong(make_table(classes=('<b>"x"', "b", "c", "d", "e")), (0, 1)))
    assert "<b>" not in html and "&lt;b&gt;&#34;x&#34;" in html


@pytest.mark.parametrize("lost", ["details", "classes"])
def test_without_counts_nothing_is_shown(make_table, lost):
    table = with_wrong(make_table(), (1, 0))
    if lost == "details":
        table.details = []
    else:
        table.about.classes = ()
    assert mistakes(table)["matrix"] is None and mistakes(table)["wrong"] == []


def test_shares_counts_and_kinds_of_pictures(make_table):
    table = with_wrong(make_table(classes=("a", "b", "c", "d", "e")), (3, 0), (1, 0), (1, 2), (0, 1))
    table.wrong[0] = replace(table.wrong[0], png=picture("png"))
    main = next(d for d in table.details if d.method == "fine-tune")
    main.confusion = [[0, 0, 0, 0, 0], [1, 2, 0, 0, 0], [0, 0, 1000, 0, 1000], [0, 0, 0, 3, 0], [0, 0, 0, 0, 4]]
    found = mistakes(table)
    rows = dict(found["matrix"])
    assert rows["a"][:2] == [("", "0.000", "", "a"), ("0", "0.000", "a taken for b: 0 of 1 answers.", "b")]
    assert rows["a"][2:] == [("", "0.000", "", name) for name in "cde"]
    assert rows["b"][0] == ("33", "0.333", "b taken for a: 1 of 3 answers.", "a") and rows["b"][1] == ("67", "0.667", "", "b")
    assert rows["c"][4] == ("50", "0.500", "", "e") and rows["d"][0] == ("0", "0.000", "d taken for a: 0 of 3 answers.", "a")
    assert [(name, count) for name, count, _ in found["wrong"]] == [("b", 2), ("a", 1), ("d", 1)]
    kinds = {name: pictures[0][0].partition(";")[0] for name, _, pictures in found["wrong"]}
    assert kinds == {"b": "data:image/jpeg", "a": "data:image/jpeg", "d": "data:image/png"}
    assert found["wrong"][1][2][0][1:] == ("a", "b", "90%", "a/3.jpg")
    assert found["wrong_words"].endswith("most confident first: 4.")
    assert mistakes(make_table())["wrong_words"] == ""


def test_twenty_classes_are_still_a_matrix(make_table):
    assert len(mistakes(make_table(("knn",), classes=[f"c{i}" for i in range(MOST_CLASSES)]))["matrix"]) == 20 == MOST_CLASSES
