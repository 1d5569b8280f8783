"""The bytes that a run needs at least are counted on the networks themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from coldframe.errors import InputError
from coldframe.foundations.generative import networks
from coldframe.foundations.generative.adversarial import AAE
from coldframe.foundations.generative.networks import check_networks, device_named, least_bytes
from coldframe.foundations.generative.vae import VAE


@pytest.mark.parametrize(("model", "outputs", "codes"), [(AAE(3, 2), 1, 1), (VAE(5, channels=4, levels=7), 7, 2)])
def test_the_least_bytes_are_those_of_weights_and_maps(model: AAE | VAE, outputs: int, codes: int) -> None:
    maps: list[int] = []
    weights = 0
    for layer in (*model.encoder, *model.decoder):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            weights += layer.weight.numel()
            if not isinstance(layer, nn.Linear):
                layer.register_forward_hook(lambda layer, x, y: maps.append(y[0].numel()))
    model.decoder(torch.zeros(1, model.latent))
    of_the_decoder = sum(maps)
    model.encoder(torch.zeros(1, 1, 28, 28))
    in_all = sum(maps) + 2 * model.channels * 4**2  # what the decoder starts from is a map too
    assert of_the_decoder < sum(maps)
    # Weights, their gradients and two averages of Adam; 4 bytes a number.
    assert least_bytes(model.channels, model.latent, 3, outputs, codes) == 4 * (4 * weights + 3 * in_all)


def test_channels_codes_and_the_batch_are_asked_for_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, float]] = []
    monkeypatch.setattr(networks, "check_fits", lambda name, value, needs, **_: asked.append((name, value, needs(value))))
    check_networks(4, 50, 8, 3, codes=2)
    check_networks(4, 5, 8, 3, codes=2)
    assert asked == [
        ("a number of channels", 4, least_bytes(4, 20, 1, 3, 2)), ("a length of codes", 50, least_bytes(4, 50, 1, 3, 2)),
        ("a batch", 8, least_bytes(4, 50, 8, 3, 2)), ("a number of channels", 4, least_bytes(4, 5, 1, 3, 2)),
        ("a length of codes", 5, least_bytes(4, 5, 1, 3, 2)), ("a batch", 8, least_bytes(4, 5, 8, 3, 2)),
    ]  # fmt: skip


def test_a_device_has_a_name() -> None:
    assert device_named("cpu") == torch.device("cpu")
    assert device_named(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(InputError, match="expected a device that this machine has, found 'warp'"):
        device_named("warp")
