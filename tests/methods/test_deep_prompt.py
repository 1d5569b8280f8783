"""Deep prompts beyond the contract: training from kept keys is the same run; what is saved; other classes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fakes import split, tiny_clip

from coldframe.cold import ColdPass, Store
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
