"""A convolutional variational autoencoder of 28 x 28 grey pictures."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from coldframe.errors import InputError
from coldframe.foundations.generative.digits import SIDE, to_levels
from coldframe.foundations.generative.likelihoods import draw, expected_grey, likelihood
from coldframe.foundations.generative.saved import Saved
from coldframe.values import WIDTH, checked


class VAE(nn.Module):
    """q(z|x) = N(mean, std^2) from a convolutional encoder, p(z) = N(0, 1), p(x|z) over grey levels from a mirrored decoder.

    Encoder: 3 x 3 convolutions of stride 2 with c, 2c, 2c channels and GELU (28 -> 14 -> 7 -> 4), then one linear layer to
    the mean and the log of the standard deviation. Decoder: the same backwards, with transposed convolutions
    (4 -> 7 -> 14 -> 28) to P numbers per pixel. Kingma and Welling 2014.

    Args:
        latent: D, the length of a code.
        kind: the likelihood: ``categorical``, ``bernoulli`` or ``logistic``.
        levels: L grey levels; by default 16, and 2 for ``bernoulli``.
        channels: c.
        seed: decides the initial weights.

    Raises:
        InputError: a setting is out of range.

    Example:
        >>> model = VAE(latent=2, channels=4)
        >>> model.decode(torch.zeros(3, 2)).shape
        torch.Size([3, 28, 28])
    """

    def __init__(
        self, latent: int = 20, *, kind: str = "categorical", levels: int | None = None, channels: int = 32, seed: int = 0
    ) -> None:
        super().__init__()
        kind, levels = checked("kind", kind, str), checked("levels", levels, int | None)
        latent, channels = WIDTH.check("latent", latent), WIDTH.check("channels", channels)
        self.latent, self.kind, self.channels = latent, kind, channels
        self.likelihood = likelihood(kind, levels)
        c = channels
        self.encoder = nn.Sequential(
            nn.Conv2d(1, c, 3, 2, 1), nn.GELU(),  # 14 x 14
            nn.Conv2d(c, 2 * c, 3, 2, 1), nn.GELU(),  # 7 x 7
            nn.Conv2d(2 * c, 2 * c, 3, 2, 1), nn.GELU(),  # 4 x 4
            nn.Flatten(), nn.Linear(2 * c * 16, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, 2 * c * 16), nn.GELU(), nn.Unflatten(1, (2 * c, 4, 4)),
            nn.ConvTranspose2d(2 * c, 2 * c, 3, 2, 1), nn.GELU(),  # 7 x 7
            nn.ConvTranspose2d(2 * c, c, 3, 2, 1, output_padding=1), nn.GELU(),  # 14 x 14
            nn.ConvTranspose2d(c, self.likelihood.outputs, 3, 2, 1, output_padding=1),  # 28 x 28
        )  # fmt: skip
        _start(self, seed)
        self.to(memory_format=torch.channels_last)

    @property
    def levels(self) -> int:
        """Return L, the number of grey levels."""
        return self.likelihood.levels

    @property
    def device(self) -> torch.device:
        """Return where the network computes."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Return the type it computes in."""
        return next(self.parameters()).dtype

    @property
    def settings(self) -> dict[str, Any]:
        """Return what builds the same network."""
        return {"latent": self.latent, "kind": self.kind, "levels": self.levels, "channels": self.channels}

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation [B, D] of the codes of grey levels x [B, 28, 28]."""
        values = x[:, None].to(self.device, self.dtype) * (2 / (self.levels - 1)) - 1  # [B, 1, 28, 28] in [-1, 1]
        mean, log_std = self.encoder(values.contiguous(memory_format=torch.channels_last)).chunk(2, dim=1)
        return mean, log_std

    def raw(self, z: Tensor) -> Tensor:
        """Return what the likelihood makes probabilities of: codes [B, D] -> [B, P, 28, 28]."""
        out: Tensor = self.decoder(z)
        return out

    @torch.no_grad()
    def decode(self, z: Tensor) -> Tensor:
        """Return the expected grey values of codes [N, D]: [N, 28, 28] in [0, 1]."""
        if z.ndim != 2 or z.shape[1] != self.latent:
            raise InputError(f"expected codes of shape [N, {self.latent}], found {list(z.shape)}; give codes of this run")
        parts = [expected_grey(self.likelihood, self.raw(part)) for part in torch.split(z.to(self.device, self.dtype), 256)]
        return torch.cat(parts) if parts else z.new_zeros(0, SIDE, SIDE)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, *, grey: bool = True) -> Tensor:
        """Draw n codes from the prior and return their pictures.

        Args:
            n: how many.
            generator: of random numbers, on the CPU.
            grey: expected grey values; False draws a level for every pixel.

        Returns:
            Floats in [0, 1], of shape [n, 28, 28].
        """
        z = torch.randn(n, self.latent, generator=generator)
        if grey:
            return self.decode(z)
        return draw(self.likelihood, self.raw(z.to(self.device, self.dtype)).cpu(), generator) / (self.levels - 1)

    @torch.no_grad()
    def reconstruct(self, pixels: Tensor) -> Tensor:
        """Return the expected grey values of the mean codes of uint8 pictures [N, 28, 28]."""
        return self.decode(self.encode(to_levels(pixels, self.levels))[0])


def decoder(saved: Saved) -> VAE:
    """Return the network of a saved run, ready to decode."""
    model = VAE(**saved.settings)
    model.load_state_dict(saved.state)
    return model.eval().requires_grad_(False)


def _start(model: VAE, seed: int) -> None:
    """Draw weights of standard deviation sqrt(2 / fan-in), sqrt(1 / fan-in) in the last layers; biases are 0."""
    generator = torch.Generator().manual_seed(seed)
    last = {id(model.encoder[-1]), id(model.decoder[-1])}
    for layer in (*model.encoder, *model.decoder):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            # A stride of 2 spreads the 9 weights of a transposed convolution over 4 pixels.
            inputs = layer.weight[0].numel()
            if isinstance(layer, nn.ConvTranspose2d):
                inputs = layer.in_channels * 9 // 4
            gain = 1.0 if id(layer) in last else 2.0
            nn.init.normal_(layer.weight, std=math.sqrt(gain / inputs), generator=generator)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
