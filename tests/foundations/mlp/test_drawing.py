"""The figures show every seed's course and every class."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import unchanged

from coldframe.foundations.mlp import MLP
from coldframe.foundations.mlp.drawing import confusion_matrix, curves
from coldframe.foundations.mlp.fitting import Fit, Settings, fit
from coldframe.foundations.mlp.pictures import Examples


def test_curves_have_a_line_a_split_and_mark_the_epochs(blobs: Examples) -> None:
    fits = [fit(MLP(6, [4], 3, seed=seed), blobs, blobs, Settings(epochs=3), seed=seed) for seed in range(2)]
    figure = curves(fits, "blobs")
    loss, top1 = figure.axes
    assert [line.get_label() for line in loss.lines] == ["train, as met", "validation", "epoch chosen"]
    assert np.allclose(top1.lines[1].get_ydata(), 100 * np.mean([run.val_top1 for run in fits], axis=0))
    assert list(loss.lines[2].get_xdata()) == [run.epoch for run in fits]


def test_the_matrix_shows_shares_of_each_true_class() -> None:
    axes = confusion_matrix(np.array([[3, 1], [0, 0]]), ("cat", "dog"), "").axes[0]
    assert [text.get_text() for text in axes.texts] == ["75", "25", "0", "0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


def test_every_figure_is_drawn_as_it_was() -> None:
    network = MLP(6, [4], 3)
    runs = [Fit(network, 2) for _ in range(2)]
    for seed, run in enumerate(runs):
        run.train_loss, run.val_loss = [2.0, 1.0 + seed, 0.5], [2.5, 1.25 + seed, 0.75]
        run.train_top1, run.val_top1 = [0.2, 0.4, 0.6 + 0.1 * seed], [0.3, 0.5 - 0.1 * seed, 0.4]
    unchanged(__file__, "curves", curves(runs, "blobs"))
    unchanged(__file__, "curves_of_one_seed", curves(runs[:1], "blobs"))
    unchanged(__file__, "confusion", confusion_matrix(np.array([[11, 9, 0], [0, 1, 1], [0, 0, 0]]), ("cat", "dog", "emu"), "T"))
    unchanged(__file__, "confusion_of_21", confusion_matrix(np.eye(21, dtype=np.int64), [f"class {i}" for i in range(21)], "T"))


def test_shares_are_written_for_up_to_twenty_classes_and_the_figure_has_a_largest_side() -> None:
    def drawn(k: int) -> tuple[int, float, float]:
        figure = confusion_matrix(np.eye(k, dtype=np.int64), [f"a class with a long name {i}" for i in range(k)], "")
        assert all(len(label.get_text()) <= 18 for label in figure.axes[0].get_yticklabels())
        return len(figure.axes[0].texts), *figure.get_size_inches()

    assert drawn(20) == (400, pytest.approx(0.38 * 20 + 2.6), pytest.approx(0.38 * 20 + 1.6))
    assert drawn(21)[0] == 0 and drawn(40)[1:] == (13.0, 12.0)
