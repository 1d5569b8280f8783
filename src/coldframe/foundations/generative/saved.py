"""A trained generative model in a folder: ``model.safetensors`` and ``model.json``; and how a folder becomes a decoder.

A kind of model is one line of ``DECODERS``: the function there takes a :class:`Saved` and returns a :class:`Decoder`, so that
``coldframe sample`` and ``coldframe manifold`` draw from every kind alike.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import Tensor

from coldframe import files
from coldframe.errors import FileError, InputError, ModelError
from coldframe.files.formats import Generative, plain
from coldframe.files.reading import read
from coldframe.version import __version__

WEIGHTS, ABOUT = "model.safetensors", "model.json"
DECODERS: dict[str, str] = {
    "vae": "coldframe.foundations.generative.vae:decoder",
    "aae": "coldframe.foundations.generative.adversarial:decoder",
}
"""Kind of model -> the function that makes a decoder of its saved run."""


class Decoder(Protocol):
    """What draws pictures from codes; the prior of the codes is N(0, 1) in each dimension."""

    @property
    def latent(self) -> int:
        """Return D, the length of a code."""

    def decode(self, z: Tensor) -> Tensor:
        """Return the expected grey values of codes [N, D]: floats [N, 28, 28] in [0, 1], without gradient."""


@dataclass(frozen=True, eq=False)
class Saved:
    """What a folder holds.

    Args:
        folder: where it was read.
        kind: a key of ``DECODERS``.
        settings: what builds the network again, plain values.
        state: its tensors by name.
        digest: of the tensors.
    """

    folder: Path
    kind: str
    settings: dict[str, Any]
    state: dict[str, Tensor]
    digest: str


def save(folder: str | Path, kind: str, settings: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """Write a model; return the digest of its tensors.

    Args:
        folder: made when absent.
        kind: a key of ``DECODERS``.
        settings: plain values that build the network again.
        state: its tensors by name.

    Raises:
        InputError: nothing can decode this kind.
    """
    if kind not in DECODERS:
        raise InputError(f"expected a kind of model of {', '.join(DECODERS)}, found {kind!r}; add it to saved.DECODERS")
    folder, digest = Path(folder), digest_of_tensors(state)
    files.write_safetensors(folder / WEIGHTS, state, {"digest": digest})
    about = Generative(kind, dict(settings), __version__, digest)
    files.write_json(folder / ABOUT, plain(about))
    return digest


def load(folder: str | Path, kind: str | None = None) -> Saved:
    """Read a model that :func:`save` wrote.

    Args:
        folder: the run's folder.
        kind: the kind that is expected; None takes any.

    Raises:
        InputError: the folder holds no finished run, or one of another kind.
        FileError: a file in it is damaged.
    """
    folder = Path(folder)
    for name in (ABOUT, WEIGHTS):
        if not (folder / name).is_file():
            raise InputError(
                f"expected a finished run in {folder}, found no {name}; train one with coldframe train vae --out {folder}, "
                "or let it finish"
            )
    about = read(folder / ABOUT, Generative, remedy="train the run again")
    if about.kind not in DECODERS or kind not in (None, about.kind):
        wanted = kind or " or ".join(DECODERS)
        raise InputError(f"expected a run of kind {wanted} in {folder}, found {about.kind!r}; choose another run")
    state, _ = files.read_safetensors(folder / WEIGHTS)
    if digest_of_tensors(state) != about.digest:
        raise FileError(
            f"cannot use {folder / WEIGHTS}: expected the weights that {ABOUT} names, found others; train the run again"
        )
    return Saved(folder, about.kind, about.settings, state, about.digest)


def decoder(folder: str | Path) -> Decoder:
    """Return what draws pictures from a run's codes, whatever its kind.

    Raises:
        InputError: the folder holds no finished run.
        FileError: a file in it is damaged.
        ModelError: settings and weights do not belong together.
    """
    saved = load(folder)
    module, _, name = DECODERS[saved.kind].partition(":")
    try:
        return cast(Decoder, getattr(importlib.import_module(module), name)(saved))
    except (KeyError, TypeError, ValueError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"cannot build the {saved.kind} of {folder} again ({reason}); train the run again") from error


def digest_of_tensors(state: Mapping[str, Tensor]) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of named tensors."""
    found = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        found.update(f"{name}:{value.dtype}:{list(value.shape)}:".encode())
        found.update(value.flatten().view(torch.uint8).numpy().tobytes())
    return found.hexdigest()[:32]
