"""The figures of the adversarial autoencoder: what is drawn, for which networks."""

from __future__ import annotations

import pytest
import torch
from drawn import unchanged

from coldframe.foundations.generative import adversarial_drawing
from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.adversarial_drawing import diagnostics, scatter, scores, shown
from coldframe.foundations.generative.digits import Digits
from coldframe.report.figures.style import as_png

TEST = Digits(torch.full((40, 28, 28), 9, dtype=torch.uint8), torch.arange(40) % 10, tuple("0123456789"))


@pytest.mark.parametrize(("latent", "names"), [
    (2, {"samples", "reconstructions", "codes"}), (3, {"samples", "reconstructions"}),
])  # fmt: skip
def test_codes_are_drawn_where_they_are_a_plane(latent: int, names: set[str]) -> None:
    found = shown(AAE(latent, 2), TEST)
    assert found.keys() == names
    assert all(caption.endswith(".") for caption, _ in found.values())


def test_every_class_has_its_points_and_the_prior_its_circles() -> None:
    codes = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    axes = scatter(codes, TEST.labels, TEST.classes).axes[0]
    assert [len(points.get_offsets()) for points in axes.collections] == [4] * 10
    radii = sorted(patch.get_radius() for patch in axes.patches)
    assert [round(1 - float(torch.tensor(-r * r / 2).exp()), 6) for r in radii] == [0.5, 0.9, 0.99]


@pytest.mark.parametrize("epochs", [1, 30])
def test_diagnostics_have_four_panels(epochs: int) -> None:
    fields = ("discriminator_accuracy", "code_mean", "code_std", "gaussian_distance", "sliced_wasserstein", "error")
    figure = diagnostics([{"epoch": e + 1} | dict.fromkeys(fields, 0.5) for e in range(epochs)])
    assert len(figure.axes) == 4
    assert all(len(line.get_xdata()) in (2, epochs) for axes in figure.axes for line in axes.lines)
    assert as_png(figure).startswith(b"\x89PNG")


def test_the_score_stands_among_floor_and_controls() -> None:
    found = {"frechet": 50.0, "floor": 1.0, "controls": {"one_class": 870.0, "blur": 590.0, "noise": 930.0}}
    axes = scores(found).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["samples", "training images (floor)", "one class", "blur", "noise"]
    assert [patch.get_width() for patch in axes.patches] == [50, 1, 870, 590, 930]


def test_every_figure_is_drawn_as_it_was() -> None:
    fields = ("discriminator_accuracy", "code_mean", "code_std", "gaussian_distance", "sliced_wasserstein", "error")
    for epochs in (2, 13):
        rows = [{field: 0.3 + 0.1 * i + 0.01 * e for i, field in enumerate(fields)} for e in range(epochs)]
        history = [{"epoch": e + 1} | row for e, row in enumerate(rows)]
        unchanged(__file__, f"diagnostics_{epochs}", diagnostics(history))
    unchanged(__file__, "scores", scores({"frechet": 50.0, "floor": 1.04, "controls": {"one_class": 870.0}}))
    points = torch.stack([torch.arange(40.0) / 20 - 1, torch.arange(40.0) % 7 / 3 - 1], 1)
    unchanged(__file__, "codes", scatter(points, TEST.labels, TEST.classes))
    model = AAE(3, 2)
    model.decode = lambda codes: torch.full((len(codes), 28, 28), 0.5)  # type: ignore[method-assign]
    for name, (_, figure) in shown(model, TEST).items():
        unchanged(__file__, f"aae_{name}", figure)


def test_every_so_many_of_the_test_pictures_is_shown_and_at_most_five_thousand_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    model = AAE(2, 2)
    model.encode = lambda pictures: torch.zeros(len(pictures), 2)  # type: ignore[method-assign]
    model.decode = lambda codes: torch.full((len(codes), 28, 28), 0.5)  # type: ignore[method-assign]
    pixels = torch.arange(98, dtype=torch.uint8).view(-1, 1, 1).expand(98, 28, 28)
    sheet = (
        shown(model, Digits(pixels, torch.arange(98) % 10, TEST.classes))["reconstructions"][1].axes[0].images[0].get_array()
    )
    middles = sheet[14::30, 14::30] * 255  # of 98 pictures every third, 16 a row, their copies below
    assert middles[[0, 2]].round().ravel().tolist() == list(range(0, 96, 3)) and (middles[[1, 3]] == 127.5).all()
    seen: list[int] = []
    monkeypatch.setattr(adversarial_drawing, "scatter", lambda codes, labels, classes: seen.extend((len(codes), len(labels))))
    shown(model, Digits(pixels[:1].expand(5_001, 28, 28), torch.zeros(5_001), TEST.classes))
    assert seen == [5_000, 5_000]


def test_up_to_twelve_epochs_have_marks_and_a_good_match_keeps_half_in_sight() -> None:
    fields = ("discriminator_accuracy", "code_mean", "code_std", "gaussian_distance", "sliced_wasserstein", "error")
    for epochs, mark in ((12, "o"), (13, "")):
        first = diagnostics([{"epoch": e + 1} | dict.fromkeys(fields, 0.6) for e in range(epochs)]).axes[0]
        assert first.lines[0].get_marker() == mark and first.get_ylim()[0] == 0.4
