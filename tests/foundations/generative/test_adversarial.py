"""The three networks: shapes, losses of an all-zero network, who gets a gradient from which loss, and the saved run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.generative import saved
from coldframe.foundations.generative.adversarial import AAE, autoencoder_loss, discriminator_loss, step


def pictures(n: int = 6) -> torch.Tensor:
    return torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


def zeroed() -> AAE:
    model = AAE(latent=8, channels=4)
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
    return model


@pytest.mark.parametrize("latent", [1, 2, 8])
def test_shapes(latent: int) -> None:
    model = AAE(latent, channels=3)
    shapes = [value.shape[1:] for value in _outputs(model.encoder, pictures(2))]
    assert [tuple(s) for s in shapes if len(s) == 3][::2] == [(3, 14, 14), (6, 7, 7), (6, 4, 4)]
    codes = model.encode(torch.zeros(5, 28, 28, dtype=torch.uint8))
    assert codes.shape == (5, latent)
    images = model.decode(codes)
    assert images.shape == (5, 28, 28) and 0 <= float(images.min()) <= float(images.max()) <= 1
    assert model.discriminator(codes).shape == (5, 1)
    widths = [layer.weight.shape for layer in model.discriminator if isinstance(layer, torch.nn.Linear)]
    assert [tuple(w) for w in widths] == [(512, latent), (512, 512), (1, 512)]
    assert [layer.negative_slope for layer in model.discriminator if isinstance(layer, torch.nn.LeakyReLU)] == [0.2, 0.2]


def _outputs(network: torch.nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    found = []
    for layer in network:
        x = layer(x)
        found.append(x)
    return found


@torch.no_grad()
def test_losses_of_an_all_zero_network() -> None:
    model, x = zeroed(), pictures()
    total, error, codes = autoencoder_loss(model, x, 0.0)
    assert float(total) == pytest.approx(math.log(2), abs=1e-6)
    assert float(error) == pytest.approx(float(x.square().mean()), rel=1e-6)
    assert float(discriminator_loss(model, torch.randn(6, 8), codes)) == pytest.approx(math.log(2), abs=1e-6)
    mixed = float(autoencoder_loss(model, x, 0.995)[0])
    assert mixed == pytest.approx(0.995 * float(error) + 0.005 * math.log(2), rel=1e-6)


def test_losses_are_binary_cross_entropy() -> None:
    model, x = AAE(3, 4, seed=1), pictures()
    prior = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    total, error, codes = autoencoder_loss(model, x, 0.5)
    logits = model.discriminator(codes)
    assert torch.allclose(total, 0.5 * error + 0.5 * bce(logits, torch.ones_like(logits)))
    real = model.discriminator(prior)
    expected = (bce(real, torch.ones_like(real)) + bce(logits, torch.zeros_like(logits))) / 2
    assert torch.allclose(discriminator_loss(model, prior, codes), expected)


def test_the_discriminators_loss_leaves_the_encoder_alone() -> None:
    model = AAE(8, 4)
    _, _, codes = autoencoder_loss(model, pictures(), 0.995)
    discriminator_loss(model, torch.randn(6, 8), codes).backward()
    assert all(value.grad is None for part in (model.encoder, model.decoder) for value in part.parameters())
    assert all(float(value.grad.abs().sum()) > 0 for value in model.discriminator.parameters() if value.grad is not None)
    assert all(value.grad is not None for value in model.discriminator.parameters())


def test_each_optimiser_changes_its_own_networks() -> None:
    x, prior = pictures(), torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    for moved, still in ((0, ("discriminator",)), (1, ("encoder", "decoder"))):
        model = AAE(8, 4)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        rates = [0.1 if moved == part else 0.0 for part in (0, 1)]
        first = torch.optim.SGD([*model.encoder.parameters(), *model.decoder.parameters()], rates[0])
        step(model, (first, torch.optim.SGD(model.discriminator.parameters(), rates[1])), x, prior, 0.5)
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]) == name.startswith(still), name


def test_lambda_zero_trains_only_the_match_and_one_only_the_pictures() -> None:
    x = pictures()
    model = AAE(8, 4)
    autoencoder_loss(model, x, 0.0)[0].backward()
    assert sum(float(value.grad.abs().sum()) for value in model.decoder.parameters() if value.grad is not None) == 0
    assert sum(float(value.grad.abs().sum()) for value in model.encoder.parameters() if value.grad is not None) > 0
    noisy = autoencoder_loss(model, x, 1.0, noise=torch.ones(6, 8))
    assert torch.allclose(noisy[2], model.encoder(x) + 1)
    assert torch.allclose(noisy[0], noisy[1])


def test_a_saved_run_draws_the_same_pictures(tmp_path: Path) -> None:
    model = AAE(3, 4, seed=7)
    saved.save(tmp_path, "aae", model.settings, model.state_dict())
    again = saved.decoder(tmp_path)
    z = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    assert again.latent == 3
    assert torch.equal(again.decode(z), model.decode(z))
    assert not again.training and not any(value.requires_grad for value in again.parameters())


def test_weights_follow_the_seed_and_no_global_one() -> None:
    torch.manual_seed(1)
    first = AAE(2, 4, seed=3).state_dict()
    torch.manual_seed(2)
    assert all(torch.equal(value, first[name]) for name, value in AAE(2, 4, seed=3).state_dict().items())
    assert not torch.equal(AAE(2, 4, seed=4).encoder[0].weight, first["encoder.0.weight"])


def test_impossible_networks_and_codes_are_refused() -> None:
    with pytest.raises(InputError, match="expected latent to be a whole number from 1 to 4,096, found 0"):
        AAE(0)
    with pytest.raises(InputError, match="channels to be a whole number from 1 to 4,096, found 0"):
        AAE(2, 0)
    with pytest.raises(InputError, match=r"codes of shape \[N, 2\], found \[4, 3\]"):
        AAE(2, 4).decode(torch.zeros(4, 3))
