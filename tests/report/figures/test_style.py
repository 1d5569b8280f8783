import numpy as np
import pytest
import torch
from drawn import unchanged

from coldframe.errors import InputError
from coldframe.report.figures.style import (
    as_png,
    as_svg,
    bars,
    data_uri,
    distinct,
    image_sheet,
    line_plot,
    log_scale,
    new_figure,
    save_figure,
    shorten,
    style,
)


def test_a_figure_becomes_png_and_svg_and_the_same_bytes_each_time(tmp_path):
    def draw():
        return line_plot({"a": ([0, 1], [0.5, None])}, title="T", percent=True, y_label="top-1")

    png, svg = save_figure(draw(), tmp_path / "deep" / "curve.png")
    assert (png.name, svg.name) == ("curve.png", "curve.svg")
    assert png.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and b"<svg" in svg.read_bytes()
    assert as_svg(draw()) == svg.read_bytes() and as_png(draw()) == png.read_bytes()
    assert draw().axes[0].get_ylabel() == "top-1 (%)"


def test_lines_in_percent_with_bands_and_gaps():
    axes = line_plot({"a": ([0, 1, 2], [0.1, None, 0.3])}, percent=True, bands={"a": ([0, 0, 0], [1, 1, 1])}).axes[0]
    assert np.isnan(axes.lines[0].get_ydata()[1]) and axes.lines[0].get_ydata()[2] == pytest.approx(30)
    assert len(axes.collections) == 1


def test_points_are_marked_on_lines_of_twelve_and_fewer():
    few, many = (line_plot({"a": (range(n), [0.1] * n)}).axes[0].lines[0].get_marker() for n in (12, 13))
    assert few not in ("", "None") and many in ("", "None")


def test_bars_stand_in_order():
    axes = bars({"first": 2.0, "second": None}, errors={"first": 0.5}, texts={"first": "two"}).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "second"]
    assert axes.get_yticks()[0] > axes.get_yticks()[1]
    with pytest.raises(InputError, match="at least one bar"):
        bars({})


@pytest.mark.parametrize("images", [np.zeros((5, 4, 6, 3)), torch.zeros(5, 4, 6), np.zeros((5, 4, 6), np.uint8)])
def test_a_sheet_of_pictures(images):
    figure = image_sheet(images, ["a very long title indeed"] * 5, columns=2, title="Sheet")
    assert len(figure.axes) == 5 and as_png(figure, dpi=40)


def test_pictures_of_a_wrong_shape_are_one_sentence():
    with pytest.raises(InputError, match="channels last"):
        image_sheet(np.zeros((2, 3, 8, 8)))
    with pytest.raises(InputError, match="as many titles"):
        image_sheet(np.zeros((2, 8, 8)), ["one"])


def test_names_are_shortened_and_stay_distinct():
    assert shorten("short") == "short" and len(shorten("x" * 99, 20)) == 20
    names = distinct([f"a very long name that goes on, number {i} of the lot" for i in range(3)], 16)
    assert len(set(names)) == 3


def test_names_with_dollars_and_foreign_letters_are_drawn():
    assert as_png(bars({"costs $5 or $6_{x": 1.0, "犬": 2.0, "<b>": 3.0}), dpi=40)


def test_data_uri():
    assert data_uri(b"abc") == "data:image/png;base64,YWJj"


@pytest.mark.parametrize("which", ["x", "y"])
def test_marks_of_a_logarithmic_scale_are_plain_numbers(which):
    with style():
        figure = new_figure(4, 4)
        axes = figure.add_subplot()
        axes.plot([0.02, 3000], [0.02, 3000])
        log_scale(axes, which, marks=(1,))
        figure.canvas.draw()
    axis = axes.xaxis if which == "x" else axes.yaxis
    texts = [label.get_text() for label in axis.get_ticklabels()]
    assert axis.get_scale() == "log" and {"0.1", "1", "1,000"} <= set(texts) and not any("$" in text for text in texts)


def test_lines_bars_and_sheets_are_drawn_as_they_were():
    lines = {"a": ([0, 1, 2], [0.1, None, 0.3]), "b": ([0, 1, 2], [0.4, 0.5, 0.9])}
    bands = {"a": ([0, 0, 0], [0.2, 0.4, 0.6])}
    found = {
        "lines": line_plot(lines, title="T", x_label="epoch", y_label="top-1", percent=True, bands=bands),
        "one_line": line_plot({"a": ([0.5, 1], [3, 200])}, log_y=True, colours={"a": "#123456"}, markers={"a": "x"}),
        "bars": bars({"first": 2.0, "second": None}, title="T", x_label="ms", errors={"first": 0.5}, texts={"first": "two"}),
        "plain_bars": bars({"a": 1.0, "b": 3.0, "c": 2.0}, colours={"b": "#123456"}),
        "sheet": image_sheet(np.full((5, 4, 6, 3), 0.5), ["a very long title indeed"] * 5, 2, title="Sheet"),
        "plain_sheet": image_sheet(np.full((3, 4, 6), 9, np.uint8)),
    }
    for name, figure in found.items():
        unchanged(__file__, f"style_{name}", figure)


def test_a_figure_has_one_style_and_its_file_no_date():
    with style():
        figure = new_figure(3, 2)
        figure.add_subplot().set(title="T", xlabel="x", xlim=(0, 1), ylim=(0, 1))
    unchanged(__file__, "style", figure)
    assert b"dc:date" not in as_svg(figure) and b"Software" not in as_png(figure)
    assert as_png(figure, dpi=100)[16:24] == (300).to_bytes(4) + (200).to_bytes(4)
    assert as_png(figure)[16:24] == (450).to_bytes(4) + (300).to_bytes(4)


def test_an_ending_that_is_no_picture_stays_and_names_are_cut_in_the_middle(tmp_path):
    figure = line_plot({"a": ([0, 1], [0.5, 0.6])}, width=2, height=2)
    assert [path.name for path in save_figure(figure, tmp_path / "v1.2", dpi=30)] == ["v1.2.png", "v1.2.svg"]
    assert shorten("abcdefghijklmnopqrstuvwxyz", 10) == "abcdef…xyz" and shorten("abcdefghij", 10) == "abcdefghij"
    assert distinct(["alpha beta gamma"] * 2 + ["x"], 8) == ["alpha…ma [0]", "alpha…ma [1]", "x"]


def test_names_of_bars_and_titles_of_pictures_are_cut_or_wrapped_to_their_room():
    axes = bars({"x" * 60: 1.0, "y": 2.0}).axes[0]
    assert [len(label.get_text()) for label in axes.get_yticklabels()] == [40, 1]
    small = image_sheet([np.zeros((4, 4), np.uint8)] * 2, ["aaaa bbbb cccc", ""], columns=5, size=0.5)
    assert small.axes[0].get_title() == "aaaa\nbbbb\ncccc" and small.axes[1].get_title() == " "
    assert tuple(small.get_size_inches()) == pytest.approx((2 * 0.62 + 0.1, 0.62 + 3 * 0.17 + 0.1))
    wide = image_sheet([np.zeros((4, 4), np.uint8)], ["aaaa bbbb cccc dddd"], size=1.0)
    assert wide.axes[0].get_title() == "aaaa bbbb\ncccc dddd"
    shown = image_sheet([np.full((2, 2), 1.5), np.full((2, 2), 9, np.uint8)]).axes
    assert [axes.get_images()[0].get_clim() for axes in shown] == [(0, 1), (0, 255)]
    assert shown[0].get_images()[0].get_array().max() == 1
    for wrong in (np.zeros((1, 4)), np.zeros((1, 4, 4, 4)), np.zeros((1, 2, 4, 4, 3))):
        with pytest.raises(InputError, match="move channels last"):
            image_sheet(wrong)
    with style():
        figure = new_figure(3, 2)
        axes = figure.add_subplot()
        axes.set(xlim=(0, 1), ylim=(0, 1), title="$5")
    assert b'width="216pt" height="144pt"' in as_svg(figure) and figure.dpi == 100
    grid = axes.xaxis.get_major_ticks()[0].gridline
    assert (grid.get_linewidth(), axes.get_axisbelow(), axes.title.get_parse_math()) == (0.8, True, False)
    assert as_png(figure)[16:24] == (450).to_bytes(4) + (300).to_bytes(4)
