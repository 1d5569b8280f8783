"""What a fine-tuned network shares out, and what it cannot have beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fakes import TinyBackbone, coloured
from torch import nn

from coldframe.cold import ColdPass, Store
from coldframe.errors import InputError
from coldframe.methods import fine_tune
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.sharing import shared_out
from coldframe.training import sharded
from coldframe.training.ranks import Ranks


@pytest.fixture
def joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    monkeypatch.setattr(sharded, "LEAST", 1)
    yield
    torch.distributed.destroy_process_group()


def test_what_lies_before_the_cut_stays_where_it_is(joined: None) -> None:
    tuned = FineTune(TinyBackbone(), layers="last-block")
    tuned._prepare(3)
    x = tuned.backbone.run(torch.randn(2, 3, 16, 16), stop=tuned.cut)
    expected = tuned.warm(x)
    shared = shared_out(tuned, "cpu")
    apart = {name for name, value in tuned.network.module.named_parameters() if type(value) is nn.Parameter}
    assert apart == {"embed.weight", "embed.bias", "position", "blocks.0.weight", "blocks.0.bias"}
    assert torch.allclose(shared(tuned.warm, x), expected, atol=1e-6)


def test_what_cannot_be_had_beside_it() -> None:
    with pytest.raises(InputError, match="expected no optimiser muon beside --shard-weights, found it"):
        shared_out(FineTune(TinyBackbone(), optimiser="muon"), "cpu")


def test_a_fit_with_shared_weights_is_resumed_and_saved_as_any_other(
    joined: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, val, cold = coloured(24, 0, "train"), coloured(12, 1, "val"), ColdPass(Store(tmp_path))
    settings = {"layers": "all", "epochs": 3, "lr": 0.01, "batch_size": 8, "clip": 1.0}
    whole = FineTune(TinyBackbone(), **settings).fit(train, val, cold=cold)  # type: ignore[arg-type]
    alone = Ranks(0, 1, "cpu")
    monkeypatch.setattr("coldframe.training.loop.here", lambda: alone)
    monkeypatch.setattr(fine_tune, "here", lambda: alone)
    shared = FineTune(TinyBackbone(), **settings)  # type: ignore[arg-type]

    def stop(metrics: dict[str, object]) -> None:
        if metrics["epoch"] == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("coldframe.training.loop.time.monotonic", iter(range(0, 10**9, 60)).__next__)
    with pytest.raises(KeyboardInterrupt):
        shared.fit(train, val, cold=cold, run=tmp_path / "run", report=stop)
    shared = FineTune(TinyBackbone(), **settings).fit(train, val, cold=cold, run=tmp_path / "run")  # type: ignore[arg-type]
    assert shared.history[-1]["epoch"] == 3 and shared.choices["epoch"] == whole.choices["epoch"]
    for name, value in whole.state().items():
        assert type(shared.state()[name]) is torch.Tensor
        assert torch.allclose(value, shared.state()[name], atol=1e-5), name
