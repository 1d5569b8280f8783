from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import TinyBackbone, split

from coldframe.cold import activations as module
from coldframe.cold.activations import Computed, Stored, decoded
from coldframe.cold.store import Key, Shard, Store
from coldframe.errors import DataError

KEY = Key("tiny", "w", "p", "block0", "plain", "float32", "float32")
VALUES = torch.rand(6, 2, 3)


def shards(folder: Path) -> list[Shard]:
    store = Store(folder)
    for names, rows in (("abc", [0, 1, 2]), ("cdef", [2, 3, 4, 5])):
        writer = store.writer(KEY)
        writer.add(list(names), VALUES[rows])
        writer.close()
    return store.shards(KEY)


@pytest.mark.parametrize("in_memory", [True, False])
def test_rows_come_in_the_order_asked_for_from_several_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.setattr(module, "_IN_MEMORY_BYTES", 0)
    stored = Stored(shards(tmp_path), list("fabecdd"), "note", None)
    assert (stored._memory is not None) == in_memory
    order = torch.tensor([5, 0, 3, 1, 6, 2, 4, 4])
    assert torch.equal(stored.gather(order), VALUES[[3, 5, 4, 0, 3, 1, 2, 2]])
    assert torch.equal(stored.gather(torch.arange(7)), VALUES[[5, 0, 1, 4, 2, 3, 3]])
    assert stored.gather(torch.arange(0)).shape == (0, 2, 3)
    assert len(stored) == 7 and stored.note == "note"


def test_no_item_at_all(tmp_path: Path) -> None:
    stored = Stored(shards(tmp_path), [], "", None)
    assert len(stored) == 0 and stored.gather(torch.arange(0)).shape == (0, 2, 3)
    assert len(Stored([], [], "", None).gather(torch.arange(0))) == 0


def test_a_missing_item_is_counted(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected 3 stored activations, found 2 fewer"):
        Stored(shards(tmp_path), ["a", "x", "y", "x"], "", None)


def test_values_follow_the_backbone(tmp_path: Path) -> None:
    backbone = TinyBackbone().to(dtype=torch.float64)
    assert Stored(shards(tmp_path), ["a"], "", backbone).gather(torch.tensor([0])).dtype == torch.float64


def test_what_is_handed_over_may_be_changed_without_changing_the_store(tmp_path: Path) -> None:
    stored = Stored(shards(tmp_path), list("abc"), "", None)
    stored.gather(torch.arange(3)).zero_()
    assert torch.equal(stored.gather(torch.arange(3)), VALUES[:3])


def test_computed_runs_in_batches_and_can_be_learned_from() -> None:
    backbone, items = TinyBackbone(), split(7)
    sizes: list[int] = []
    source = decoded(items, backbone, workers=2)

    def counted(indices: torch.Tensor) -> torch.Tensor:
        sizes.append(len(indices))
        return source(indices)

    live = Computed(counted, 7, backbone, "pixels", "features", batch_size=3, note="live")
    x = live.gather(torch.tensor([6, 0, 1, 2, 3, 4, 5]))
    assert sizes == [3, 3, 1] and x.shape == (7, 6) and not x.requires_grad and not x.is_inference()
    torch.testing.assert_close(x[0], live.gather(torch.tensor([6]))[0])
    torch.nn.functional.linear(x, torch.ones(2, 6, requires_grad=True)).sum().backward()


def test_decoded_images_are_those_of_the_indices() -> None:
    backbone, items = TinyBackbone(), split(5)
    pixels = decoded(items, backbone, workers=1)(torch.tensor([4, 2]))
    again = decoded(items.subset(np.array([4, 2])), backbone, workers=2)(torch.arange(2))
    assert pixels.dtype == torch.uint8 and pixels.shape == (2, 3, 16, 16) and torch.equal(pixels, again)
