"""Deep prompts beyond the contract: training from kept keys is the same run; what is saved; other classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import split, tiny_clip

from coldframe.cold import ColdPass, Store
from coldframe.data.base import Split
from coldframe.errors import TrainingError
from coldframe.methods import deep_prompt
from coldframe.methods.deep_prompt import DeepPrompt


def test_kept_keys_give_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold, train = ColdPass(Store(tmp_path)), split(24)
    kept = DeepPrompt(tiny_clip(), layer=1, epochs=4, augment="flip").fit(train, cold=cold)
    assert "keys and values" in kept.choices["cold"]
    monkeypatch.setattr(deep_prompt, "_KEYS_BYTES", 0)
    plain = DeepPrompt(tiny_clip(), layer=1, epochs=4, augment="flip").fit(train, cold=cold)
    assert "keys and values" not in plain.choices["cold"]
    torch.testing.assert_close(kept.prompt, plain.prompt, rtol=1e-4, atol=1e-5)


def test_saved_prompt_holds_nothing_else(tmp_path: Path) -> None:
    method = DeepPrompt(tiny_clip(), tokens=5, epochs=1).fit(split(12), cold=ColdPass(Store(tmp_path)))
    assert {name: tuple(value.shape) for name, value in method.state().items()} == {"prompt": (1, 5, 32)}
    assert method.trainable_parameters == 160 and method.stored_bytes == 640
    other = method.with_classes(("cat", "dog", "cow", "pig"))
    assert other.predict_proba(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
    assert method.classes == ("class 0", "class 1", "class 2")


def test_a_learning_rate_that_is_too_large_is_named(tmp_path: Path) -> None:
    method = DeepPrompt(tiny_clip(), epochs=3, lr=1e30, optimiser="sgd", warmup=0, schedule="constant")
    with pytest.raises(TrainingError, match=r"learning rate 1e\+30"):
        method.fit(split(24), cold=ColdPass(Store(tmp_path)))


def test_what_was_there_before_is_kept_where_no_epoch_is_better(tmp_path: Path) -> None:
    cold, train, plain = ColdPass(Store(tmp_path)), split(24), tiny_clip()
    start = DeepPrompt(plain, epochs=1, lr=1e-12, depth="all").fit(train, cold=cold)
    # Validation labels are what the start answers: nothing can beat it, and a large step on other labels moves away from it.
    val = Split("val", train.images, start.predict(train, cold=cold).numpy(), train.classes)
    method = DeepPrompt(plain, epochs=3, lr=5.0, depth="all").fit(train, val, cold=cold)
    assert max(line["val"] for line in method.history) < 1.0
    assert method.choices["epoch"] == 0
    assert torch.equal(method.prompt, method._drawn())
