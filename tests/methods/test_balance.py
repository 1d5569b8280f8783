"""Classes of unequal size: weights against scikit-learn's, draws by their counts, a setting of every trained method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, coloured, tiny_clip
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from coldframe.cold import ColdPass
from coldframe.errors import InputError
from coldframe.methods import method_class, solvers
from coldframe.methods.balance import Balanced, class_weights, redrawn, tag_weights
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.stacked import fit_stacked
from coldframe.methods.trained import Trained
from coldframe.registry import METHODS

LABELS = torch.tensor([0] * 12 + [1] * 3 + [3] * 5)


def test_weights_are_scikit_learns() -> None:
    found = class_weights(LABELS, 4)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS.numpy())
    assert found[[0, 1, 3]].numpy() == pytest.approx(expected) and found[2] == 0
    assert float(found[LABELS].mean()) == pytest.approx(1)


def test_a_balanced_probe_is_scikit_learns() -> None:
    generator = torch.Generator().manual_seed(0)
    y = LABELS[torch.randperm(20, generator=generator)].clamp_max(2)
    x = torch.randn(20, 4, generator=generator, dtype=torch.float64) + y[:, None] * 0.5
    weights = class_weights(y, 3)
    found = next(solvers.logistic_path(x, y, 3, [0.1], solvers.Basis.of(x), tolerance=1e-9, weights=weights[y]))
    oracle = LogisticRegression(C=1 / (20 * 0.1), class_weight="balanced", tol=1e-10, max_iter=5000).fit(x.numpy(), y.numpy())
    assert found(x).softmax(-1).numpy() == pytest.approx(oracle.predict_proba(x.numpy()), abs=1e-4)
    plain = next(solvers.logistic_path(x, y, 3, [0.1], solvers.Basis.of(x)))
    assert float((found(x) - plain(x)).abs().max()) > 0.05


def test_labels_are_weighted_by_their_own_yes_and_no() -> None:
    tags = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]], dtype=torch.bool)
    found = tag_weights(tags)
    for k in (0, 2):
        weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=tags[:, k].int().numpy())
        assert found[:, k].numpy() == pytest.approx(weights[tags[:, k].int().numpy()])
    assert found[:, 1].tolist() == [1, 1, 1, 1]


def test_classes_are_drawn_alike_and_epochs_by_seed() -> None:
    counts = sum(torch.bincount(LABELS[redrawn(LABELS, epoch, 3)], minlength=4) for epoch in range(300)).double() / 300
    assert counts[[0, 1, 3]].tolist() == pytest.approx([20 / 3] * 3, abs=0.4) and counts[2] == 0
    assert torch.equal(redrawn(LABELS, 2, 3), redrawn(LABELS, 2, 3))
    assert not torch.equal(redrawn(LABELS, 2, 3), redrawn(LABELS, 3, 3))
    taken = Balanced.of("sample", LABELS, 4, 3)
    for epoch in (2, 3):
        assert torch.equal(taken.items(torch.arange(20), epoch), redrawn(LABELS, epoch, 3))


def test_the_loss_is_the_weighted_one() -> None:
    logits = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
    held = Balanced.of("loss", LABELS, 4, 0)
    each = functional.cross_entropy(logits, LABELS, reduction=held.reduction)
    expected = (each * class_weights(LABELS, 4)[LABELS]).mean()
    assert float(held.mean(each, LABELS)) == pytest.approx(float(expected))


def test_stacked_runs_balance_as_single_ones() -> None:
    backbone, train = tiny_clip(), coloured(14, 0, "train")
    train = train.subset([0, 3, 6, 9, 12, 1, 4, 2])
    for balance in ("loss", "sample"):
        make = [method_class("taskres")(backbone, epochs=3, lr=lr, balance=balance) for lr in (0.01, 0.1)]
        fit_stacked(make, train)
        alone = [run.again().fit(train) for run in make]
        for one, other in zip(make, alone, strict=True):
            assert torch.allclose(one.logits(train), other.logits(train), atol=1e-4)
    plain = method_class("taskres")(backbone, epochs=3, lr=0.1).fit(train)
    assert not torch.allclose(plain.logits(train), alone[1].logits(train), atol=1e-3)


def test_every_trained_method_has_the_setting() -> None:
    kinds = [method_class(name) for name in METHODS]
    trained = [kind for kind in kinds if issubclass(kind, Trained)]
    assert len(trained) > 15 and all("balance" in kind.settings() for kind in [*trained, LinearProbe])


def test_a_rare_class_is_found_more_often() -> None:
    backbone = TinyBackbone(width=12)
    train, test = coloured(60, 0, "train"), coloured(60, 1, "test")
    few = train.subset([row for row in range(60) if row % 3 < 2 or row < 6])
    cold = ColdPass()
    found = [
        (LinearProbe(backbone, l2=0.1, balance=balance).fit(few, cold=cold).predict(test, cold=cold) == 2).sum().item()
        for balance in ("none", "loss")
    ]
    assert found[1] > found[0]


def test_ridge_is_refused() -> None:
    with pytest.raises(InputError, match="logistic solver with balance=loss"):
        LinearProbe(TinyBackbone(), solver="ridge", balance="loss")
