"""What every way to adapt a frozen model has in common.

A method says at which cut it enters (``cut``), what it does from there (``warm``), and what it learned (``state``). From
these follow training on stored activations, prediction on pixels, scoring, saving and loading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from coldframe import files
from coldframe.errors import ColdframeError, ModelError
from coldframe.files import formats
from coldframe.methods.contract import CALIBRATION, THRESHOLDS
from coldframe.methods.learning import Learning, Report, holdout
from coldframe.version import __version__

__all__ = ["CALIBRATION", "THRESHOLDS", "VALIDATED", "Method", "Report", "holdout"]

VALIDATED = "validation.safetensors"
"""Beside a saved run: how sure its answers on the validation images were, whether they were right, how well classes fit."""


class Method(Learning):
    """One way to adapt a frozen backbone. Hyper-parameters go to the constructor, data to the call.

    Settings are annotated fields of the class, kept under their own names, so that the constructor, ``config``, ``repr``, the
    flags of ``coldframe fit`` and plans follow; see :class:`coldframe.methods.settings.Settings`. What a method says of itself
    stands in ``contract.py``, how it is fitted in ``learning.py``, what it answers in ``scoring.py``.
    """

    def save(self, folder: str | Path) -> Path:
        """Write ``adaptation.safetensors`` and ``adaptation.json``: what was learned, never the backbone."""
        self._check_fitted()
        folder = Path(folder)
        state = self.state()
        files.write_safetensors(folder / "adaptation.safetensors", state)
        about = formats.Adaptation(
            coldframe=__version__,
            method=self.name,
            config=self.config(),
            backbone=formats.Weights(self.backbone.name, self.backbone.digest),
            preprocess=self.backbone.preprocess.as_dict(),
            classes=list(self.classes),
            choices=self.choices,
            state={name: list(tensor.shape) for name, tensor in state.items()},
        )
        files.write_json(folder / "adaptation.json", formats.plain(about))
        if self.validated is not None:
            files.write_safetensors(folder / VALIDATED, self.validated.tensors())
        return folder

    def restore(self, classes: Sequence[str], state: Mapping[str, Tensor], where: str | Path) -> None:
        """Take over classes and tensors that were read from a file.

        Raises:
            ModelError: they do not belong to these settings; the sentence names ``where``.
        """
        said = f"{where} is damaged: its tensors do not belong to its settings and classes; fit it again"
        self.classes = tuple(classes)
        try:
            self.load_state({name: tensor.to(self.backbone.device) for name, tensor in state.items()})
            found = {name: tensor.shape for name, tensor in self.state().items()}
            side = self.backbone.preprocess.size
            blank = torch.zeros(1, 3, side, side, device=self.backbone.device, dtype=self.backbone.dtype)
            with torch.inference_mode():
                sound = self(blank).shape == (1, len(self.classes))
        except ColdframeError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise ModelError(said) from error
        if not sound or found != {name: tensor.shape for name, tensor in state.items()}:
            raise ModelError(said)
