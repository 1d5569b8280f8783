import itertools

import numpy as np
import pytest

from coldframe.errors import InputError
from coldframe.measures import ece, reliability


def plain_ece(p: np.ndarray, y: np.ndarray, bins: int) -> float:
    """The definition, bin by bin."""
    confidence, right, total = p.max(1), p.argmax(1) == y, 0.0
    edges = np.linspace(0, 1, bins + 1)
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize("classes", [2, 7])
def test_agrees_with_the_definition(bins, classes):
    generator = np.random.default_rng(classes)
    p = generator.dirichlet(np.full(classes, 0.4), size=2000)
    y = generator.integers(0, classes, size=2000)
    assert ece(p, y, bins) == pytest.approx(plain_ece(p, y, bins), abs=1e-12)


def test_closed_forms():
    assert ece([[0.75, 0.25]] * 4, [0, 0, 0, 1]) == pytest.approx(0)
    assert ece([[1.0, 0.0]] * 4, [1, 1, 1, 1]) == pytest.approx(1)
    assert ece([[0.9, 0.1]] * 10, [0] * 5 + [1] * 5) == pytest.approx(0.4)


def test_an_edge_belongs_to_the_bin_below():
    found = reliability([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]], [0, 0], bins=2)
    assert found.count == [1, 1]
    assert found.accuracy == [1.0, 1.0] and found.confidence == [0.5, 1.0]


def test_an_empty_bin_is_none():
    found = reliability([[1.0, 0.0]], [0], bins=3)
    assert found.count == [0, 0, 1] and found.accuracy[0] is None


def test_the_debiased_error_of_a_perfect_classifier_is_nothing_on_average():
    from coldframe.measures.calibration import debiased_square

    generator = np.random.default_rng(0)
    plain, debiased = [], []
    for _ in range(100):
        p = generator.dirichlet(np.full(5, 0.5), size=150)
        y = (p.cumsum(1) > generator.random((150, 1))).argmax(1)
        plain.append(ece(p, y))
        debiased.append(debiased_square(p, y))
    assert np.mean(plain) > 0.07 and abs(np.mean(debiased)) < 2.5 * np.std(debiased) / 10 < 0.003
    p = np.tile([0.9, 0.1], (3000, 1))
    y = np.arange(3000) % 2  # right in half of the cases, stated 90%
    assert debiased_square(p, y) == pytest.approx(0.16 - 0.25 / 199) and debiased_square(p[:2], y[:2]) < 0
    with pytest.raises(InputError, match="2 items or more"):
        debiased_square(p[:1], y[:1])


def test_logits_are_refused():
    with pytest.raises(InputError, match="softmax"):
        ece([[3.0, -1.0]], [0])
    for rows in ([[1.1, -0.1]], [[0.9, 0.9]]):  # one below 0, though they sum to 1; none below 0, though they do not
        with pytest.raises(InputError, match="softmax"):
            ece(rows, [0])


def test_classes_scores_and_losses_agree_with_other_libraries():
    pytest.importorskip("torchmetrics")
    import torch
    from sklearn.metrics import brier_score_loss, log_loss
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    from coldframe.measures.calibration import brier_scores, class_ece, log_losses

    generator = np.random.default_rng(3)
    p, y = generator.dirichlet(np.full(5, 0.5), size=400), generator.integers(0, 5, 400)
    held, truth = torch.from_numpy(p), torch.from_numpy(y)
    asked = [(held[:, k].contiguous(), (truth == k).long()) for k in range(5)]
    theirs = [float(binary_calibration_error(*pair, n_bins=15, norm="l1")) for pair in asked]
    # torchmetrics says how often the class is right against p_k; its bins and errors are those of class_ece.
    assert class_ece(p, y) == pytest.approx(np.mean(theirs), abs=1e-6)
    assert ece(p, y) == pytest.approx(float(multiclass_calibration_error(held, truth, 5, n_bins=15)), abs=1e-6)
    assert brier_scores(p, y).mean() == pytest.approx(brier_score_loss(y, p, scale_by_half=False))
    assert log_losses(p, y).mean() == pytest.approx(log_loss(y, p))
    assert log_losses([[0.0, 1.0]], [0]) == pytest.approx(-np.log(np.finfo(float).eps))


def test_what_is_nearly_a_probability_is_taken():
    assert reliability([[0.504, 0.505]], [0], bins=1).count == [1]
    with pytest.raises(InputError, match="softmax"):
        reliability([[0.52, 0.5]], [0])
    with pytest.raises(InputError, match="at least one bin, found 0"):
        reliability([[0.5, 0.5]], [0], bins=0)
