"""When a change counts as a gain, and what follows: the start is kept, a head starts at texts or probe, folds agree."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from fakes import coloured, tiny_clip
from scipy.stats import chi2

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.methods import folds, method_class
from coldframe.methods.margin import gained, gained_over_folds
from coldframe.methods.trained import Trained

TRAIN, VAL = coloured(36, 0, "train"), coloured(18, 1, "val")


def answers(b: int, c: int, both: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return answers of which the first alone is right b times, the other alone c times."""
    one = torch.tensor([True] * b + [False] * c + [True] * both)
    return one, torch.tensor([False] * b + [True] * c + [True] * both)


def test_gains_are_mcnemars_with_the_correction_for_counts() -> None:
    for b, c in ((4, 1), (10, 5), (6, 2), (25, 3)):
        z = gained(*answers(b, c))
        assert 2 * (1 - 0.5 * (1 + math.erf(z / math.sqrt(2)))) == pytest.approx(chi2.sf((b - c - 1) ** 2 / (b + c), 1))
    assert gained(*answers(0, 0)) == 0 and gained(*answers(0, 2)) < 0
    assert [gained(*answers(b, c)) > 1 for b, c in ((2, 0), (3, 0), (5, 2), (6, 2), (9, 5), (10, 5))] == [False, True] * 3


def test_gains_over_folds_are_a_paired_t() -> None:
    from scipy.stats import ttest_rel

    values, before = [0.7, 0.8, 0.65, 0.9], [0.6, 0.75, 0.7, 0.8]
    assert gained_over_folds(values, before) == pytest.approx(ttest_rel(values, before).statistic)
    assert gained_over_folds([0.5, 0.5], [0.25, 0.25]) == math.inf and gained_over_folds([0.5], [0.5]) == 0
    assert gained_over_folds([0.25, 0.25], [0.5, 0.5]) == -math.inf


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> ColdPass:
    return ColdPass(Store(tmp_path_factory.mktemp("store")))


@pytest.mark.parametrize(("name", "settings"), [
    ("text-prompt", {"epochs": 30, "lr": 0.02, "optimiser": "adam", "tokens": 8, "batch_size": 16}),
    ("lora", {"epochs": 6, "lr": 0.01, "last": 1, "head": "text"}),
    ("fine-tune", {"epochs": 6, "lr": 0.02, "layers": "last-block", "head": "text"}),
    ("cross-modal", {"lr": 0.02, "epochs": 30}),
])  # fmt: skip
def test_the_start_is_left_for_a_gain_beyond_the_margin_alone(name: str, settings: dict[str, Any], cold: ColdPass) -> None:
    kind = method_class(name)
    taken: Any = kind(tiny_clip(), margin=0.0, **settings).fit(TRAIN, VAL, cold=cold)
    start: Any = kind(tiny_clip(), margin=1e6, **settings).fit(TRAIN, VAL, cold=cold)
    assert taken.choices["epoch"] > 0 and start.choices["epoch"] == 0
    assert start.reached == start._before and start.reached != taken.reached
    truth = torch.from_numpy(VAL.labels)
    right, before = (one.predict(VAL, cold=cold).cpu() == truth for one in (taken, start))
    z = gained(right, before)
    assert z > 0.1, "the test says nothing"
    for margin, left in ((z - 0.01, True), (z, False)):
        method: Any = kind(tiny_clip(), margin=margin, **settings).fit(TRAIN, VAL, cold=cold)
        assert (method.choices["epoch"] > 0) is left
        assert torch.equal(method.predict(VAL, cold=cold).cpu() == truth, right if left else before)


def test_presets_keep_the_best_epoch_and_settings_beside_them_win() -> None:
    for name in ("deep-prompt", "text-prompt", "lora", "fine-tune"):
        kind = method_class(name)
        for preset in kind.presets:
            if (preset == "uva-a2" and name == "fine-tune") or preset != "uva-a2":
                assert kind.preset(preset, tiny_clip()).config()["margin"] == 0
    assert method_class("lora").preset("zanella2024", tiny_clip(), margin=2.0).config()["margin"] == 2
    assert method_class("lora")(tiny_clip(), last=1).config()["margin"] == 1


def told(tried: dict[int, tuple[float, float]], margin: float) -> Any:
    """Return what folds read of a fit, without the fit."""
    fit = SimpleNamespace(margin=margin, tried=lambda: tried, choices={"images": {"val": 10}}, starts=Trained.starts)
    fit.outdoes = lambda values, before: Trained.outdoes(fit, values, before)  # type: ignore[arg-type]
    return fit


def test_over_folds_the_start_is_left_for_a_gain_beyond_their_differences_alone() -> None:
    before, after = [0.6, 0.7, 0.5], [0.7, 0.7, 0.5]  # differences 0.1, 0, 0: exactly one standard error above 0
    for margin, best in ((0.0, 3), (0.99, 3), (1.01, 0)):
        fits = [told({0: (a, 1.0), 2: (a - 0.1, 1.0), 3: (b, 1.0)}, margin) for a, b in zip(before, after, strict=True)]
        assert folds.best_over(fits) == best


def test_a_head_starts_where_it_is_better_and_a_refit_starts_there_again(cold: ColdPass) -> None:
    """The probe of the colours beats the texts of an untrained tower; without images to choose on the texts are taken."""
    for name, settings in (("fine-tune", {"layers": "head"}), ("lora", {"last": 1}), ("all-blocks", {})):
        short = {"epochs": 1} if name != "all-blocks" else {}
        kind = method_class(name)
        method = kind(tiny_clip(), **settings, **short).fit(TRAIN, VAL, cold=cold)
        assert method.choices["head starts at"] == "probe"
        alone = kind(tiny_clip(), **settings, **short).fit(TRAIN, None, cold=cold)
        assert alone.choices["head starts at"] == ("probe" if name == "all-blocks" else "text")
        again: Any = method.refitted(TRAIN, VAL, cold=cold)
        assert again._started == "" and again.choices["head starts at"] == "probe"
        own = kind(tiny_clip(), **settings, **short, head="text").fit(TRAIN, VAL, cold=cold)
        assert own.choices["head starts at"] == "text"


def test_lp_plus_is_zero_shot_unless_it_gains_beyond_the_margin(cold: ColdPass) -> None:
    kind, zero = method_class("lp++"), method_class("zero-shot")(tiny_clip()).fit(TRAIN, cold=cold)
    right_already = Split("val", VAL.images, zero.predict(VAL, cold=cold).cpu().numpy(), VAL.classes)
    kept: Any = kind(tiny_clip(), steps=9).fit(TRAIN, right_already, cold=cold)
    for method in (kept, kept.refitted(TRAIN, right_already, cold=cold)):
        assert method.choices["step"] == 0
        torch.testing.assert_close(method.logits(VAL, cold=cold), zero.logits(VAL, cold=cold), rtol=1e-5, atol=1e-5)
    assert kept.tried()[0] == (1.0, pytest.approx(kept.history[0]["val_loss"]))
    left = kind(tiny_clip(), steps=9).fit(TRAIN, VAL, cold=cold)
    published = kind.preset("huang2024", tiny_clip(), steps=9).fit(TRAIN, right_already, cold=cold)
    assert left.choices["step"] > 0 and published.choices["step"] > 0 and 0 not in published.tried()
    fits = [kind(tiny_clip(), margin=margin) for margin in (0.0, 2.0)]
    assert [fit.outdoes([0.5, 0.75], [0.5, 0.5]) for fit in fits] == [True, False]
