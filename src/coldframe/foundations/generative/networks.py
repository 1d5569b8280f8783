"""What the networks of the two autoencoders take: convolutions of c, 2c, 2c channels to a code of D numbers, and back."""

from __future__ import annotations

import torch

from coldframe.errors import InputError
from coldframe.machine.room import check_fits


def least_bytes(channels: int, latent: int, batch: int, outputs: int, codes: int) -> int:
    """Return the bytes that a step surely holds: weights with gradients and Adam's two means, and the maps of a batch.

    Args:
        channels: c.
        latent: D.
        batch: B.
        outputs: numbers a pixel that the decoder gives.
        codes: numbers of the encoder for each of the D: 1, or 2 with a standard deviation.
    """
    c = channels
    weights = 2 * 9 * 6 * c * c + 9 * c * (1 + outputs) + 32 * c * latent * (codes + 1)
    maps = 2 * (c * 14**2 + 2 * c * (7**2 + 4**2)) + outputs * 28**2
    return 4 * (4 * weights + batch * maps)


def check_networks(
    channels: int, latent: int, batch: int, outputs: int, *, codes: int, device: torch.device | str = "cpu"
) -> None:
    """Refuse channels, codes and batches that do not fit; see :func:`least_bytes`."""
    check_fits("a number of channels", channels, lambda c: least_bytes(c, min(latent, 20), 1, outputs, codes), device=device)
    of = f"with {channels:,} channels"
    check_fits("a length of codes", latent, lambda D: least_bytes(channels, D, 1, outputs, codes), device=device, of=of)
    check_fits("a batch", batch, lambda B: least_bytes(channels, latent, B, outputs, codes), device=device, of=of)


def device_named(name: str | None) -> torch.device:
    """Return the device of that name; without a name the GPU where there is one.

    Raises:
        InputError: this machine has no such device.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"expected a device that this machine has, found {name!r}; choose cpu") from error
