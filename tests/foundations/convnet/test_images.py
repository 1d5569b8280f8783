"""Pictures in memory: normalised, shifted and mirrored as written, each by its own number."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import same_numbers

from coldframe.errors import DataError
from coldframe.foundations.convnet.images import Pictures
from coldframe.foundations.mlp.pictures import CIFAR, Examples


def test_whole_pictures_are_what_the_perceptron_sees(squares: Examples) -> None:
    for margin in (0, 3):
        found = Pictures.of(squares, margin).whole(torch.tensor([5, 2]))
        assert found.is_contiguous(memory_format=torch.channels_last) and found.dtype == torch.float32
        expected = squares.batch(np.array([5, 2]), np.float32).reshape(2, 3, 32, 32)
        torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=2e-6)


def test_every_shift_is_a_cut_from_the_reflected_picture(squares: Examples) -> None:
    pictures = Pictures.of(squares, 2)
    raw = torch.from_numpy(squares.x).view(-1, 3, 32, 32).double() / 255
    mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in (CIFAR.mean, CIFAR.std))
    padded = torch.nn.functional.pad((raw - mean) / std, (2, 2, 2, 2), mode="reflect")
    items = torch.arange(len(pictures))
    seen = set()
    for picture, found in zip(padded, pictures.varied(items, 0, 0, flip=False).double(), strict=True):
        places = [(i, j) for i in range(5) for j in range(5)]
        gaps = [float((picture[:, i : i + 32, j : j + 32] - found).abs().max()) for i, j in places]
        assert min(gaps) < 1e-5
        seen.add(places[int(np.argmin(gaps))])
    assert len(seen) > 12


def test_two_epochs_together_show_both_sides_and_a_pictures_fate_is_its_own(squares: Examples) -> None:
    pictures = Pictures.of(squares)
    items = torch.arange(len(pictures))
    whole = pictures.whole(items)
    epochs = [pictures.varied(items, 7, epoch) for epoch in range(3)]
    turned = [torch.tensor([bool(a.equal(b.flip(2))) for a, b in zip(epoch, whole, strict=True)]) for epoch in epochs]
    straight = [torch.tensor([bool(a.equal(b)) for a, b in zip(epoch, whole, strict=True)]) for epoch in epochs]
    assert all((a ^ b).all() for a, b in zip(turned, straight, strict=True))
    assert turned[0].sum() == len(pictures) // 2 and turned[1].equal(~turned[0]) and turned[2].equal(turned[0])
    shifted = Pictures.of(squares, 2)
    some = torch.tensor([41, 3, 17])
    assert shifted.varied(some, 7, 1).equal(shifted.varied(items, 7, 1)[some])
    assert not shifted.varied(some, 8, 1).equal(shifted.varied(some, 7, 1))


def test_other_pictures_are_refused() -> None:
    with pytest.raises(DataError, match=r"expected RGB pictures of 32 x 32 as uint8, found rows of 300 uint8 values"):
        Pictures.of(Examples(np.zeros((2, 300), np.uint8), np.zeros(2, np.int64), ("a",)))
    with pytest.raises(DataError, match="float32"):
        Pictures.of(Examples(np.zeros((2, 3072), np.float32), np.zeros(2, np.int64), ("a",)))


def test_shifts_and_mirrors_are_the_ones_they_were(squares: Examples) -> None:
    items = torch.arange(60)
    plain = Pictures.of(squares)
    turned = [
        item for item, a, b in zip(range(60), plain.varied(items, 7, 0), plain.whole(items), strict=True) if not a.equal(b)
    ]
    shifted = Pictures.of(squares, 3).varied(items, 7, 1, flip=False)
    same_numbers(__file__, "varied", {"turned": turned, "shifted": shifted[:, :, ::5, ::5]}, 1e-5)
    corner = Pictures.of(squares, 2).pixels[0, :4, :4, 0].float()
    inner = torch.from_numpy(squares.x[0]).view(3, 32, 32)[0].float()
    assert corner[2:, 2:].equal(inner[:2, :2]) and corner[0, 2] == inner[2, 0] and corner[1, 1] == inner[1, 1]
    assert Pictures.of(squares, 2).pixels[0, -1, -3, 0] == inner[29, 31]
