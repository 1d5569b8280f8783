"""An adversarial autoencoder of 28 x 28 grey pictures: three networks, two losses, one step."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from coldframe.errors import InputError
from coldframe.foundations.generative.classifier import signed
from coldframe.foundations.generative.saved import Saved
from coldframe.values import WIDTH

HIDDEN, SLOPE = 512, 0.2
"""Width of the discriminator's two hidden layers, and the slope of its LeakyReLU."""


class AAE(nn.Module):
    """Encoder z = E(x), decoder G(z) in [-1, 1], and a discriminator D(z) that tells codes from draws of N(0, 1).

    Encoder: 3 x 3 convolutions of stride 2 with c, 2c, 2c channels and ReLU (28 -> 14 -> 7 -> 4), then one linear layer.
    Decoder: the same backwards, with transposed convolutions and tanh. Discriminator: D -> 512 -> 512 -> 1 with LeakyReLU
    0.2; its output is a logit, positive where it takes a code for a draw of N(0, 1).

    Args:
        latent: D, the length of a code.
        channels: c.
        seed: decides the initial weights.

    Raises:
        InputError: a setting is out of range.

    Source: Makhzani et al. (2015), Adversarial autoencoders, section 2.

    Example:
        >>> model = AAE(latent=3, channels=4)
        >>> model.decode(model.encode(torch.zeros(2, 28, 28))).shape
        torch.Size([2, 28, 28])
    """

    def __init__(self, latent: int = 8, channels: int = 32, seed: int = 0) -> None:
        super().__init__()
        latent, channels = WIDTH.check("latent", latent), WIDTH.check("channels", channels)
        self.latent, self.channels = latent, channels
        c = channels
        self.encoder = nn.Sequential(
            nn.Conv2d(1, c, 3, 2, 1), nn.ReLU(),  # [B, c, 14, 14]
            nn.Conv2d(c, 2 * c, 3, 2, 1), nn.ReLU(),  # [B, 2c, 7, 7]
            nn.Conv2d(2 * c, 2 * c, 3, 2, 1), nn.ReLU(),  # [B, 2c, 4, 4]
            nn.Flatten(), nn.Linear(2 * c * 16, latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, 2 * c * 16), nn.Unflatten(1, (2 * c, 4, 4)), nn.ReLU(),
            nn.ConvTranspose2d(2 * c, 2 * c, 3, 2, 1), nn.ReLU(),  # [B, 2c, 7, 7]
            nn.ConvTranspose2d(2 * c, c, 3, 2, 1, output_padding=1), nn.ReLU(),  # [B, c, 14, 14]
            nn.ConvTranspose2d(c, 1, 3, 2, 1, output_padding=1), nn.Tanh(),  # [B, 1, 28, 28]
        )  # fmt: skip
        self.discriminator = nn.Sequential(
            nn.Linear(latent, HIDDEN), nn.LeakyReLU(SLOPE), nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(SLOPE), nn.Linear(HIDDEN, 1)
        )
        _start(self, seed)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what builds the same network."""
        return {"latent": self.latent, "channels": self.channels}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return codes [N, D] on the CPU of pictures [N, 28, 28], uint8 or floats in [0, 1]; no gradient."""
        return torch.cat([self.encoder(signed(part.to(self.device))[:, None]) for part in torch.split(images, 256)]).cpu()

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Return pictures [N, 28, 28] in [0, 1] on the CPU of codes [N, D]; no gradient."""
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise InputError(f"expected codes of shape [N, {self.latent}], found {list(z.shape)}; give {self.latent} numbers")
        return torch.cat([(self.decoder(part.to(self.device))[:, 0] + 1) / 2 for part in torch.split(z, 256)]).cpu()


def autoencoder_loss(model: AAE, x: Tensor, weight: float, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of encoder and decoder, weight MSE + (1 - weight) BCE(D(z), 1), and what it is made of.

    Args:
        model: the three networks.
        x: pictures [B, 1, 28, 28] in [-1, 1].
        weight: lambda, in [0, 1].
        noise: added to the codes [B, D] before they are decoded and judged; None for none.

    Returns:
        The loss, the mean squared error of a pixel, and the codes [B, D] that were decoded.
    """
    codes: Tensor = model.encoder(x)
    if noise is not None:
        codes = codes + noise
    error = F.mse_loss(model.decoder(codes), x)
    # BCE with logits against 1 is softplus(-logit).
    return weight * error + (1 - weight) * F.softplus(-model.discriminator(codes)).mean(), error, codes


def discriminator_loss(model: AAE, prior: Tensor, codes: Tensor) -> Tensor:
    """Return (BCE(D(prior), 1) + BCE(D(codes), 0)) / 2; the codes are cut off, so the encoder gets no gradient.

    Args:
        model: the three networks.
        prior: draws of N(0, 1) [B, D].
        codes: of pictures [B, D].
    """
    logits = model.discriminator(torch.cat([prior, codes.detach()]))[:, 0]  # [2B]
    real, fake = logits.split([len(prior), len(codes)])
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def step(
    model: AAE,
    optimisers: tuple[torch.optim.Optimizer, torch.optim.Optimizer],
    x: Tensor,
    prior: Tensor,
    weight: float,
    noise: Tensor | None = None,
) -> tuple[float, float, float]:
    """Change encoder and decoder by one step, then the discriminator by one step on the same codes.

    Args:
        model: changed in place.
        optimisers: of encoder and decoder together, and of the discriminator.
        x: pictures [B, 1, 28, 28] in [-1, 1].
        prior: draws of N(0, 1) [B, D].
        weight: lambda.
        noise: added to the codes [B, D]; None for none.

    Returns:
        Loss of the autoencoder, its mean squared error, loss of the discriminator.
    """
    first, second = optimisers
    first.zero_grad(set_to_none=True)
    total, error, codes = autoencoder_loss(model, x, weight, noise)
    # Naming the inputs spares the discriminator's weight gradients, which this loss must not change.
    total.backward(inputs=[*model.encoder.parameters(), *model.decoder.parameters()])  # type: ignore[no-untyped-call]
    first.step()
    second.zero_grad(set_to_none=True)
    judged = discriminator_loss(model, prior, codes)
    judged.backward()  # type: ignore[no-untyped-call]
    second.step()
    return float(total.detach()), float(error.detach()), float(judged.detach())


def decoder(saved: Saved) -> AAE:
    """Return the networks of a saved run, ready to decode."""
    model = AAE(**saved.settings)
    model.load_state_dict(saved.state)
    return model.eval().requires_grad_(False)


def _start(model: AAE, seed: int) -> None:
    """Draw weights and biases from U(-b, b), b = fan-in^(-1/2), as PyTorch does by itself, with a generator of their own."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            bound = module.weight[0].numel() ** -0.5
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
