"""The network: shapes, mirrored sizes, first weights, and a saved run that decodes alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from coldframe.errors import InputError
from coldframe.foundations.generative import saved
from coldframe.foundations.generative.vae import VAE


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_encoder_and_decoder_mirror_each_other() -> None:
    model = VAE(latent=5, channels=4)
    x = torch.zeros(3, 28, 28, dtype=torch.uint8)
    sizes = []
    for layers, value in ((model.encoder, x[:, None].float()), (model.decoder, torch.zeros(3, 5))):
        for layer in layers:
            value = layer(value)
            if value.ndim == 4 and not isinstance(layer, torch.nn.GELU):
                sizes.append(tuple(value.shape[1:]))
    assert sizes == [(4, 14, 14), (8, 7, 7), (8, 4, 4), (8, 4, 4), (8, 7, 7), (4, 14, 14), (16, 28, 28)]
    mean, log_std = model.encode(x)
    assert mean.shape == log_std.shape == (3, 5)
    assert model.raw(mean).shape == (3, 16, 28, 28)


@pytest.mark.parametrize(("kind", "levels", "outputs"), [("categorical", 7, 7), ("bernoulli", None, 1), ("logistic", 256, 2)])
def test_every_likelihood_has_its_decoder(kind: str, levels: int | None, outputs: int) -> None:
    model = VAE(3, kind=kind, levels=levels, channels=2)
    assert model.raw(noise(2, 3)).shape == (2, outputs, 28, 28)
    for pictures in (model.decode(noise(2, 3)), model.sample(4), model.sample(4, torch.Generator().manual_seed(1), grey=False)):
        assert pictures.shape[1:] == (28, 28)
        assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1


def test_the_seed_decides_the_weights() -> None:
    first, same, other = VAE(channels=2, seed=1), VAE(channels=2, seed=1), VAE(channels=2, seed=2)
    states = [torch.cat([value.flatten() for value in model.parameters()]) for model in (first, same, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_first_weights_keep_the_size_of_activations() -> None:
    model = VAE(latent=20)
    value, sizes = noise(64, 20), []
    for layer in model.decoder:
        value = layer(value)
        if not isinstance(layer, torch.nn.GELU | torch.nn.Unflatten):
            sizes.append(float(value.detach().std()))
    assert all(0.5 < size < 2 for size in sizes), sizes


@pytest.mark.parametrize(("settings", "message"), [
    ({"latent": 0}, "latent to be a whole number from 1"), ({"channels": -1}, "channels to be a whole number from 1"),
    ({"kind": "gauss"}, "unknown likelihood 'gauss'"), ({"levels": 1}, "levels to be a whole number from 2 to 256, found 1"),
    ({"kind": "bernoulli", "levels": 16}, "2 grey levels for a Bernoulli"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        VAE(**settings)  # type: ignore[arg-type]


def test_codes_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"shape \[N, 3\], found \[2, 4\]"):
        VAE(3, channels=2).decode(torch.zeros(2, 4))
    assert VAE(3, channels=2).decode(torch.zeros(0, 3)).shape == (0, 28, 28)


def test_the_expected_grey_value_is_the_mean_of_what_is_drawn() -> None:
    model = VAE(2, channels=2, levels=5)
    z = noise(1, 2)
    from coldframe.foundations.generative.likelihoods import draw

    drawn = draw(model.likelihood, model.raw(z).detach().expand(4000, -1, -1, -1), torch.Generator().manual_seed(0))
    assert torch.allclose(drawn.float().mean(dim=0) / 4, model.decode(z)[0], atol=0.03)


def test_a_saved_run_decodes_alike(tmp_path: Path) -> None:
    model = VAE(3, channels=2, levels=4)
    saved.save(tmp_path, "vae", model.settings, model.state_dict())
    again = saved.decoder(tmp_path)
    assert again.latent == 3
    assert torch.equal(again.decode(noise(5, 3)), model.decode(noise(5, 3)))
    assert not again.training and not any(value.requires_grad for value in again.parameters())
    pixels = torch.randint(0, 256, (2, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert model.reconstruct(pixels).shape == (2, 28, 28)


def test_drawn_levels_reach_black_and_white() -> None:
    for kind, levels in (("bernoulli", 2), ("categorical", 4)):
        found = VAE(3, kind=kind, levels=levels, channels=2).sample(4, torch.Generator().manual_seed(1), grey=False)
        expected = [k / (levels - 1) for k in range(levels)]
        assert found.unique().tolist() == pytest.approx(expected)
