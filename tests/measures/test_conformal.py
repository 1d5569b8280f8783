"""Sets of classes: equal to MAPIE's where MAPIE's choices are made, and as often right as they say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from coldframe.errors import InputError
from coldframe.measures.conformal import KINDS, Kind, class_scores, quantile, sets, true_scores

mapie = pytest.importorskip("mapie.classification")


class Given:
    """A classifier of scikit-learn's kind whose inputs are its answers."""

    def __init__(self, k: int) -> None:
        self.classes_ = np.arange(k)
        self.fitted_ = True

    def fit(self, x: NDArray[np.float64], y: NDArray[np.int64]) -> Given:
        return self

    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(x.argmax(1))

    def get_params(self, deep: bool = True) -> dict[str, int]:
        return {"k": len(self.classes_)}

    def __sklearn_is_fitted__(self) -> bool:
        return True


def drawn(n: int, seed: int, k: int = 6) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return probabilities that are right: labels are drawn from them."""
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.full(k, 0.4), size=n)
    return p, np.array([generator.choice(k, p=row) for row in p])


@pytest.mark.parametrize("kind", ["lac", "aps"])
def test_sets_are_those_of_mapie(kind: Kind) -> None:
    (p, y), (seen, _) = drawn(400, 0), drawn(300, 1)
    theirs = mapie.SplitConformalClassifier(
        Given(6), confidence_level=0.9, conformity_score=kind, prefit=True, random_state=7
    ).conformalize(p, y)
    if kind == "lac":
        _, expected = theirs.predict_set(seen)
        limit = quantile(true_scores(p, y, kind), 0.9)
    else:  # MAPIE draws u for the scores, and for sets with include_last_label="randomized" once more
        _, expected = theirs.predict_set(seen, conformity_score_params={"include_last_label": "randomized"})
        u = np.random.RandomState(7).uniform(size=400)
        limit = quantile(class_scores(p, kind, u)[np.arange(400), y], 0.9)
        own = class_scores(seen, kind, np.random.RandomState(7).uniform(size=300)) <= limit
        agree = (own == expected[:, :, 0]).all(1)
        assert agree.mean() > 0.99, agree.mean()
        return
    assert (sets(seen, limit, kind, never_empty=False) == expected[:, :, 0]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_true_class_is_inside_as_often_as_asked(kind: Kind) -> None:
    for level in (0.7, 0.9):
        (p, y), (seen, truth) = drawn(1000, 2), drawn(4000, 3)
        sharp = p**2 / (p**2).sum(1, keepdims=True), seen**2 / (seen**2).sum(1, keepdims=True)  # too sure of itself
        limit = quantile(true_scores(sharp[0], y, kind), level)
        inside = sets(sharp[1], limit, kind)
        covered = inside[np.arange(4000), truth].mean()
        assert level - 0.035 < covered < (level + 0.035 if kind == "lac" else 1)
        assert inside.any(1).all() and inside[np.arange(4000), seen.argmax(1)].all()


def test_scores_by_hand() -> None:
    p = np.array([[0.5, 0.2, 0.3]])
    assert class_scores(p, "lac")[0] == pytest.approx([0.5, 0.8, 0.7])
    assert class_scores(p, "aps")[0] == pytest.approx([0, 0.8, 0.5])
    assert class_scores(p, "aps", np.zeros(1))[0] == pytest.approx([0.5, 1.0, 0.8])
    assert class_scores(p, "raps", penalty=0.1, free=1)[0] == pytest.approx([0, 1.0, 0.6])


def test_too_few_images_and_no_level() -> None:
    assert quantile([0.1] * 8, 0.9) == np.inf and quantile([0.1] * 9, 0.9) == 0.1
    with pytest.raises(InputError, match="level"):
        quantile([0.1], 1.0)


def test_what_is_refused_and_a_set_is_never_empty_unless_asked() -> None:
    for level in (0.0, 1.5):
        with pytest.raises(InputError, match="level between 0 and 1"):
            quantile([0.1], level)
    with pytest.raises(InputError, match="score of lac, aps, raps"):
        class_scores([[1.0]], "other")  # type: ignore[arg-type]
    p = np.array([[0.5, 0.3, 0.2]])
    assert sets(p, 0.1, "lac").tolist() == [[True, False, False]]
    assert not sets(p, 0.1, "lac", never_empty=False).any()
    assert sets(p, 0.7, "lac").tolist() == [[True, True, False]], "a score at the limit is inside"
    many = np.full((1, 7), 1 / 7)
    assert (class_scores(many, "raps") - class_scores(many, "aps"))[0] == pytest.approx([0, 0, 0, 0, 0, 0.01, 0.02])
