"""Training of the small networks: they learn, they resume to the bit, and they refuse what cannot work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import same_numbers

from coldframe.errors import DataError, InputError, TrainingError
from coldframe.foundations.convnet import fitting
from coldframe.foundations.convnet.fitting import BETTER, COURSE, Settings, fit, logits
from coldframe.foundations.convnet.images import Pictures
from coldframe.foundations.mlp.pictures import Examples
from coldframe.training import Group
from coldframe.training.loop import Result

BRIEF = {
    "plain": replace(COURSE, epochs=4, batch=20),
    "batch-norm": replace(COURSE, network="batch-norm", epochs=4, batch=20),
    "better": replace(BETTER, epochs=4, batch=20, lr=0.2, widths=(8, 8), flip=False),
}


@pytest.mark.parametrize("name", BRIEF)
def test_every_network_learns_and_its_answers_follow(name: str, squares: Examples, unseen: Examples) -> None:
    settings = BRIEF[name]
    pictures, others = Pictures.of(squares, settings.shift), Pictures.of(unseen)
    lines: list[str] = []
    found = fit(pictures, settings, say=lines.append)
    assert found.train_loss[-1] < found.train_loss[0] - 0.1 and len(found.train_loss) == 4 and not found.val_top1
    assert (logits(found.network, others, settings.test_views).argmax(dim=1) == others.labels).double().mean() > 0.6
    assert found.network.first.equal(found.before) == (name == "better")
    assert lines[-1].startswith("epoch 4/4 100%, loss ")


@pytest.mark.parametrize(
    ("preset", "scales"),
    [(BETTER, (1.0, 7.5, 0.6)), (replace(BETTER, optimiser="nesterov"), (1.0, 1.0, 64.0)), (COURSE, (1.0, 1.0, 1.0))],
)
def test_filters_last_layer_and_shifts_have_rates_of_their_own(
    preset: Settings, scales: tuple[float, ...], squares: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Group] = []

    def train(*_: object, groups: list[Group], **__: object) -> Result:
        seen.extend(groups)
        return Result()

    monkeypatch.setattr(fitting, "train", train)
    fit(Pictures.of(squares, preset.shift), preset)
    assert tuple(group.scale for group in seen) == scales and [group.decay for group in seen] == [True, True, False]
    assert [{value.ndim for value in group.parameters} for group in seen] == [{4}, {2}, {1}]


def test_among_epochs_of_equal_accuracy_the_lowest_loss_is_kept(squares: Examples) -> None:
    pictures = Pictures.of(squares)
    found = fit(pictures, replace(BRIEF["batch-norm"], epochs=8), val=pictures)
    loss = float(torch.nn.functional.cross_entropy(logits(found.network, pictures), pictures.labels))
    tied = [loss for value, loss in zip(found.val_top1, found.val_loss, strict=True) if value == max(found.val_top1)]
    assert len(tied) > 1 and loss == pytest.approx(min(tied), rel=1e-6) and min(tied) < tied[0]


def test_a_run_goes_on_to_the_bit_and_seeds_differ(squares: Examples, tmp_path: Path) -> None:
    settings = BRIEF["better"]
    pictures = Pictures.of(squares, settings.shift)
    whole = fit(pictures, settings, seed=1)

    class Killed(Exception):
        pass

    def kill(line: str) -> None:
        if line.startswith("epoch 3/4"):
            raise Killed

    with pytest.raises(Killed):
        fit(pictures, settings, seed=1, run=tmp_path, say=kill)
    resumed = fit(pictures, settings, seed=1, run=tmp_path)
    assert resumed.train_loss == whole.train_loss
    assert all(map(torch.equal, resumed.network.state_dict().values(), whole.network.state_dict().values()))
    assert fit(pictures, replace(settings, epochs=1), seed=2).train_loss[0] != whole.train_loss[0]
    with pytest.raises(InputError, match="holds an unfinished run with other settings"):
        fit(pictures, replace(settings, label_smoothing=0.1), seed=1, run=tmp_path)


def test_held_out_pictures_choose_the_epoch(squares: Examples, unseen: Examples) -> None:
    pictures = Pictures.of(unseen)
    found = fit(Pictures.of(squares), BRIEF["batch-norm"], val=pictures)
    assert len(found.val_top1) == 4
    kept = float((logits(found.network, pictures).argmax(dim=1) == pictures.labels).double().mean())
    assert kept == max(found.val_top1)


def test_six_views_are_the_mean_of_mirror_images_and_of_two_shifts(squares: Examples) -> None:
    network = fit(Pictures.of(squares), replace(BRIEF["plain"], epochs=1)).network
    pictures = Pictures.of(squares)
    x = pictures.whole(torch.arange(8))
    wide = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")

    @torch.no_grad()
    def both(v: torch.Tensor) -> torch.Tensor:
        return network(v) / 2 + network(v.flip(3)) / 2

    expected = both(x) / 2 + both(wide[:, :, :-2, :-2]) / 4 + both(wide[:, :, 2:, 2:]) / 4
    torch.testing.assert_close(logits(network, pictures, 6)[:8], expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits(network, pictures, 2)[:8], both(x), rtol=1e-4, atol=1e-4)
    assert logits(network, pictures).shape == (60, 3)


def test_products_in_half_precision_learn_too(squares: Examples) -> None:
    found = fit(Pictures.of(squares), replace(BRIEF["batch-norm"], epochs=2), precision="bf16")
    full = fit(Pictures.of(squares), replace(BRIEF["batch-norm"], epochs=2))
    assert found.train_loss != full.train_loss and found.train_loss == pytest.approx(full.train_loss, abs=0.1)
    assert all(value.dtype == torch.float32 for value in found.network.parameters())


def test_bad_input_is_one_sentence(squares: Examples) -> None:
    pictures = Pictures.of(squares)
    with pytest.raises(InputError, match="expected two or more pictures per step for batch normalisation, found batch=1"):
        fit(pictures, replace(BRIEF["batch-norm"], batch=1))
    lonely = Examples(squares.x[:2], np.array([0, 0]), ("a", "b"))
    with pytest.raises(DataError, match="expected a training image of every class, found none of 'b'"):
        fit(Pictures.of(lonely), BRIEF["plain"])
    with pytest.raises(DataError, match="label"):
        Examples(squares.x[:2], np.array([0, 7]), ("a", "b"))
    with pytest.raises(TrainingError, match="choose a smaller learning rate"):
        fit(pictures, replace(BRIEF["plain"], optimiser="sgd", lr=1e9))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("network", "beter", "unknown network 'beter'; did you mean 'better'"),
        ("label_smoothing", 1.0, "expected label smoothing of 0 or more and below 1, found 1.0"),
        ("warmup", 1.5, "expected warmup to be a number from 0 to 1"),
        ("shift", 20, "expected a shift of 0 to 15 pixels, found 20"),
        ("test_views", 3, "expected 1, 2 or 6 views"),
        ("widths", (), "expected one to four widths"),
    ],
)
def test_settings_that_mean_nothing_are_one_sentence(field: str, value: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        replace(BETTER, **{field: value})


def test_the_presets_stand_as_documented() -> None:
    assert Settings("plain", 10, 128, 4e-3, "adamw", 0.9, 0.01, "cosine", 0.0, 0, False, 0.0, 1, ()) == COURSE
    assert replace(BETTER, warmup=0.1).recipe(3, 50_000).warmup == 200 and BETTER.recipe(3, 50_000).seed == 3
    assert (BETTER.optimiser, BETTER.lr, BETTER.batch, BETTER.epochs) == ("muon", 0.2, 250, 10)


@pytest.mark.parametrize("name", ["plain", "batch-norm", "better"])
def test_the_course_is_the_one_it_was(squares: Examples, name: str) -> None:
    settings = BRIEF[name]
    pictures = Pictures.of(squares, settings.shift)
    run = fit(pictures, settings, seed=1, val=Pictures.of(squares))
    found = {field: getattr(run, field) for field in ("train_loss", "val_loss", "val_top1")}
    same_numbers(__file__, "course", {f"{name} {field}": values for field, values in found.items()}, 2e-3)


def test_what_must_be_in_memory_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, gradients and momentum, and the maps of a batch, in bytes; worked out by hand for one group of two channels."""
    asked: list[tuple[str, int, float]] = []
    least: list[int] = []

    def recorded(name: str, value: int, needs: Any, **about: Any) -> None:
        asked.append((name, value, needs(value)))
        least.append(about.get("least", 1))

    monkeypatch.setattr(fitting, "check_fits", recorded)
    fitting._check_memory(replace(COURSE, batch=2), 2, torch.device("cpu"))
    fitting._check_memory(replace(BETTER, widths=(2,)), 2, torch.device("cpu"))
    fitting._check_memory(replace(BETTER, widths=(2, 3)), 5, torch.device("cpu"))
    first = 3 * 9 * 2 * (24 + 2)
    second = first + 3 * 9 * 3 * (2 + 3)
    maps = 2 * (31**2 + 4 * 16**2), 2 * (31**2 + 4 * 15**2)
    assert least == [1, 1, 2, 1, 2]  # a network that is normalised needs two pictures
    assert asked[0] == ("a batch", 2, 8 * 2 * (32 * 26**2 + 64 * (11**2 + 9**2)))
    assert [(name, value) for name, value, _ in asked[1:]] == [("a width", 2), ("a batch", 2), ("a width", 3), ("a batch", 5)]
    assert asked[2][2] == 4 * (first + 2 * maps[1]) and maps[0] != maps[1]
    assert asked[4][2] == 4 * (second + 5 * (maps[1] + 3 * (15**2 + 4 * 7**2)))
    assert asked[3][2] == 4 * (second + 2 * (maps[1] + 3 * (15**2 + 4 * 7**2)))


def test_settings_at_the_ends_of_their_ranges() -> None:
    for good in ({"label_smoothing": 0.0}, {"label_smoothing": 0.99}, {"warmup": 0.0}, {"warmup": 0.99}, {"shift": 0},
                 {"shift": 15}, {"widths": (1,)}, {"widths": (1, 2, 3, 4)}, {"test_views": 1}, {"test_views": 2}):  # fmt: skip
        replace(BETTER, **good)  # type: ignore[arg-type]
    for bad in (
        {"label_smoothing": -0.01},
        {"warmup": 1.0},
        {"shift": 16},
        {"shift": -1},
        {"widths": (1, 2, 3, 4, 5)},
        {"test_views": 4},
    ):
        with pytest.raises(InputError, match="expected"):
            replace(BETTER, **bad)  # type: ignore[arg-type]
    assert replace(BETTER, warmup=0.5, epochs=3, batch=7).recipe(0, 50).warmup == 12  # half of 3 epochs of 8 steps


def test_what_is_told_while_training_is_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks, lines = iter([0.0, 0.5, 1.0, 2.5, 3.0, 4.0, 4.5]), []
    monkeypatch.setattr(fitting, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    progress = fitting._Progress(lines.append, 30, 2)
    for loss, count, epoch in ((2.0, 10, 0), (1.0, 10, 0), (1.5, 10, 0), (0.5, 10, 1), (0.5, 10, 1), (1.0, 10, 1)):
        progress.add(loss, count, epoch)
    assert lines == [
        "epoch 1/2  66%, loss 1.500, 20 images/s", "epoch 1/2 100%, loss 1.500, 12 images/s",
        "epoch 2/2  66%, loss 0.500, 12 images/s", "epoch 2/2 100%, loss 0.667, 13 images/s",
    ]  # fmt: skip


def test_answers_do_not_depend_on_how_many_are_asked_for_at_once(squares: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    network, pictures = fitting.network_for(Pictures.of(squares), BRIEF["plain"], 0), Pictures.of(squares)
    whole = logits(network, pictures)
    monkeypatch.setattr(fitting, "WHOLE", 25)
    torch.testing.assert_close(logits(network, pictures), whole, rtol=1e-4, atol=1e-5)


def test_a_run_is_known_by_settings_labels_and_precision(squares: Examples) -> None:
    pictures = Pictures.of(squares)
    other = replace(pictures, labels=pictures.labels.flip(0))
    keys = [fitting._key(pictures, COURSE, "fp32"), fitting._key(pictures, COURSE, "bf16"), fitting._key(other, COURSE, "fp32")]
    assert len({*keys, fitting._key(pictures, BETTER, "fp32")}) == 4
