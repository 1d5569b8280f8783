import io

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
