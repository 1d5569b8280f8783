"""Measures of several labels per image, against scikit-learn and against every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import same_numbers
from sklearn.metrics import average_precision_score, f1_score

from coldframe.errors import InputError
from coldframe.measures import tags as measured
from coldframe.measures.tags import (
    average_precision,
    f1,
    map_difference,
    map_interval,
    mean_average_precision,
    thresholds,
)


def drawn(n: int = 90, k: int = 5, seed: int = 0, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    tags = generator.random((n, k)) < 0.3
    scores = tags * 0.6 + generator.normal(size=(n, k))
    return (scores.round(1) if ties else scores), tags


def test_average_precision_is_scikit_learns_with_equal_scores_too() -> None:
    scores, tags = drawn()
    expected = [average_precision_score(t, s) for s, t in zip(scores.T, tags.T, strict=True)]
    assert average_precision(scores, tags) == pytest.approx(expected, abs=1e-12)
    assert mean_average_precision(scores, tags) == pytest.approx(average_precision_score(tags, scores, average="macro"))


def test_a_label_that_no_image_has_does_not_count() -> None:
    scores, tags = drawn()
    tags[:, 1] = False
    found = average_precision(scores, tags)
    assert np.isnan(found[1]) and mean_average_precision(scores, tags) == pytest.approx(np.delete(found, 1).mean())
    assert mean_average_precision(scores, np.zeros_like(tags)) is None


def test_f1_is_scikit_learns() -> None:
    scores, tags = drawn(seed=1)
    given = scores > 0.5
    given[:, 2] = tags[:, 2] = False
    expected = [f1_score(tags, given, average=kind, zero_division=0) for kind in ("micro", "macro")]
    assert f1(given, tags) == pytest.approx(expected)


def test_no_other_threshold_has_a_higher_f1() -> None:
    for n in range(4, 24):
        scores, tags = drawn(n=n, seed=n)
        for k in np.flatnonzero(tags.any(0)):
            best = f1_score(tags[:, k], scores[:, k] >= thresholds(scores, tags)[k])
            tried = [f1_score(tags[:, k], scores[:, k] >= at, zero_division=0) for at in np.unique(scores[:, k])]
            assert best == pytest.approx(max(tried))
    scores, tags = drawn(n=20, seed=2)
    assert thresholds(scores, np.zeros_like(tags)) == [0.5] * 5
    assert thresholds([[0.9], [0.4], [0.1]], [[1], [1], [0]]) == [pytest.approx(0.25)]


def test_intervals_hold_their_value_and_shrink_with_images() -> None:
    few, many = (map_interval(*drawn(n=n, seed=3)) for n in (60, 960))
    assert few[1] - few[0] > 2 * (many[1] - many[0])
    scores, tags = drawn(n=200, seed=4)
    low, high = map_interval(scores, tags)
    assert low < (mean_average_precision(scores, tags) or 0) < high


def test_resamples_without_any_label_do_not_count() -> None:
    """Of two images of which one has a label, a quarter of the resamples has none: once a mean of nothing, with a warning."""
    scores, tags = np.array([[0.9, 0.2], [0.3, 0.1]]), np.array([[1, 0], [0, 0]])
    assert map_interval(scores, tags) == (1.0, 1.0)
    low, high = map_interval(1 - scores, tags)
    assert 0 <= low < 0.5 < high <= 1
    found = map_difference([scores], [1 - scores], tags)
    assert found.value == 0.5 and np.isfinite([found.low, found.high]).all()
    assert map_interval(scores, np.zeros_like(tags)) == (0.0, 0.0)


def test_a_difference_is_paired() -> None:
    scores, tags = drawn(n=200, seed=5, ties=False)
    other = scores + np.random.default_rng(6).normal(size=scores.shape) * 0.05
    found = map_difference([scores], [other], tags)
    own = map_interval(scores, tags)
    assert found.value == pytest.approx(mean_average_precision(scores, tags) - mean_average_precision(other, tags))
    assert found.low < found.value < found.high and found.high - found.low < (own[1] - own[0]) / 3
    worse = map_difference([scores, scores], [-scores, -other], tags)
    assert worse.low > 0 and worse.seeds == 2 and worse.seed_variance > 0
    assert map_difference([scores], [scores], tags).high == 0
    assert found.image_variance == pytest.approx(200 * ((found.high - found.low) / 2 / 1.96) ** 2, rel=0.05)


def test_shapes_and_nan_are_refused() -> None:
    with pytest.raises(InputError, match="one shape"):
        average_precision([[0.1, 0.2]], [[1]])
    with pytest.raises(InputError, match="NaN"):
        average_precision([[float("nan")]], [[1]])


def test_intervals_are_the_same_each_time() -> None:
    scores, tags = drawn(n=40, k=3, seed=7)
    other = scores + np.random.default_rng(8).normal(size=scores.shape)
    found = map_difference([scores, scores / 2 + 1], [other, other[::-1]], tags)
    numbers = [found.value, found.low, found.high, found.n, found.seeds, found.image_variance, found.seed_variance]
    parts = {"interval": map_interval(scores, tags), "wide": map_interval(scores, tags, level=0.99), "difference": numbers}
    same_numbers(__file__, "tags", parts, 1e-6)


def test_draws_are_fewer_where_images_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, tags = drawn(n=40, k=3)
    for work, draws in ((40 * 70, 70), (1, 50), (1e9, 1000)):
        monkeypatch.setattr(measured, "_WORK", work)
        assert len(measured._resampled([scores], tags, 0)[0]) == draws


def test_a_share_ends_at_1_and_only_labels_of_images_make_a_measure() -> None:
    scores, tags = np.array([[0.9], [0.8], [0.1]]), np.array([[1], [1], [0]])
    assert map_interval(scores, tags)[1] == 1.0 and map_difference([scores], [-scores], tags).high <= 1.0
    for wrong in (np.zeros(3), np.zeros((0, 2)), np.zeros((2, 2, 1))):
        with pytest.raises(InputError, match="one shape"):
            average_precision(wrong, wrong)
    assert f1(np.zeros((2, 1)), np.zeros((2, 1))) == (0.0, 0.0)
