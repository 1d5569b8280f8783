"""The loop: both engines take one course, the best epoch is kept, and what cannot be trained is refused."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from drawn import same_numbers

from coldframe.errors import DataError, InputError, TrainingError
from coldframe.foundations.mlp import MLP, fitting
from coldframe.foundations.mlp.fitting import Settings, fit
from coldframe.foundations.mlp.layers import CrossEntropy
from coldframe.foundations.mlp.pictures import Examples


@pytest.mark.parametrize("batch_norm", [False, True])
def test_both_engines_take_the_same_course(blobs: Examples, batch_norm: bool) -> None:
    settings = Settings(epochs=3, batch=16, lr=0.05, momentum=0.9, schedule="cosine")
    one, two = (MLP(6, [8], 3, batch_norm=batch_norm) for _ in range(2))
    ours, theirs = fit(one, blobs, blobs, settings), fit(two, blobs, blobs, settings, engine="torch")
    for field in ("train_loss", "train_top1", "val_loss", "val_top1"):
        assert getattr(ours, field) == pytest.approx(getattr(theirs, field), abs=1e-9) and len(getattr(ours, field)) == 3
    assert ours.epoch == theirs.epoch
    assert all(np.allclose(value, two.state()[name], atol=1e-9) for name, value in one.state().items())


def test_it_learns_and_keeps_the_best_epoch(blobs: Examples) -> None:
    network = MLP(6, [8], 3)
    run = fit(network, blobs, blobs, Settings(epochs=6, batch=8))
    assert run.val_top1[run.epoch - 1] == max(run.val_top1) > 0.9
    right = (network.forward(blobs.batch(slice(None), np.float64)).argmax(axis=1) == blobs.labels).mean()
    assert right == run.val_top1[run.epoch - 1] and not network.training


def test_among_epochs_of_equal_accuracy_the_lowest_loss_is_kept(blobs: Examples) -> None:
    network = MLP(6, [8], 3)
    run = fit(network, blobs, blobs, Settings(epochs=12, batch=8))
    tied = [place for place, value in enumerate(run.val_top1) if value == max(run.val_top1)]
    assert len(tied) > 1 and run.epoch - 1 == min(tied, key=run.val_loss.__getitem__) != tied[0]
    found = CrossEntropy().forward(network.forward(blobs.batch(slice(None), np.float64)), blobs.labels)
    assert found == pytest.approx(run.val_loss[run.epoch - 1], rel=1e-9)


def test_a_seed_gives_the_same_run_and_another_seed_another(blobs: Examples) -> None:
    losses = [fit(MLP(6, [8], 3), blobs, blobs, Settings(epochs=2, batch=16), seed=seed).train_loss for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_batch_of_one(blobs: Examples, engine: str) -> None:
    with pytest.raises(InputError, match="batch of 2 or more for batch normalisation in training, found 1"):
        fit(MLP(6, [8], 3, batch_norm=True), blobs, blobs, Settings(batch=1), engine=engine)  # type: ignore[arg-type]
    # 97 images: the last batch of 16 has one, which is left out.
    fit(MLP(6, [8], 3, batch_norm=True), blobs, blobs, Settings(batch=16, epochs=1), engine=engine)  # type: ignore[arg-type]
    fit(MLP(6, [8], 3), blobs, blobs, Settings(batch=1, epochs=1, lr=0.01), engine=engine)  # type: ignore[arg-type]


def test_what_cannot_be_trained_is_one_sentence(blobs: Examples) -> None:
    with pytest.raises(DataError, match="found none of 'd'"):
        fit(MLP(6, [8], 4), Examples(blobs.x, blobs.labels, ("a", "b", "c", "d")), blobs, Settings())
    with pytest.raises(TrainingError, match="expected a finite loss, found nan in epoch"), np.errstate(all="ignore"):
        fit(MLP(6, [8], 3), blobs, blobs, Settings(lr=1e9, batch=8))
    with pytest.raises(InputError, match="expected epochs to be a whole number from 1"):
        Settings(epochs=0)
    with pytest.raises(InputError, match="expected validation images"):
        fit(MLP(6, [8], 3), blobs, Examples(blobs.x[:0], blobs.labels[:0], blobs.classes), Settings())


def test_what_nobody_names() -> None:
    assert Settings() == Settings(epochs=10, batch=128, lr=0.1, momentum=0.0, weight_decay=0.0, schedule="constant")


def test_the_course_is_the_one_it_was(blobs: Examples) -> None:
    settings = Settings(epochs=3, batch=16, lr=0.05, momentum=0.9, weight_decay=0.01, schedule="cosine")
    network = MLP(6, [8], 3, batch_norm=True, seed=1)
    run = fit(network, blobs, blobs, settings, seed=2)
    found = {field: getattr(run, field) for field in ("train_loss", "train_top1", "val_loss", "val_top1", "epoch")}
    same_numbers(__file__, "course", found | network.state(), 1e-5)


def test_only_steps_are_timed(blobs: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 12.5, 20.0, 21.25])
    monkeypatch.setattr(fitting, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    assert fit(MLP(6, [4], 3), blobs, blobs, Settings(epochs=2, batch=50)).seconds == 3.75


def test_batches_of_the_whole_data_and_no_normalisation_without_a_hidden_layer(blobs: Examples) -> None:
    one = Examples(blobs.x[:3], blobs.labels[:3], blobs.classes)
    assert fit(MLP(6, [], 3, batch_norm=True), one, blobs, Settings(epochs=1, batch=1)).epoch == 1
    assert fit(MLP(6, [4], 3, batch_norm=True), one, blobs, Settings(epochs=1, batch=2)).epoch == 1
    rows = [batch.tolist() for batch in fitting._batches(5, 2, True, 0, 0)]
    assert [len(row) for row in rows] == [2, 2] and len({*rows[0], *rows[1]}) == 4
