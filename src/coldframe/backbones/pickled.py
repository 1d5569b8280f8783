"""The tensors of torch's own files, and never their objects: an unpickler that builds nothing but what is named here.

``torch.load(weights_only=True)`` refuses whole files for a setting or a NumPy number that lies beside the weights, and
TorchScript archives altogether. Here every foreign class becomes a :class:`Husk`, which keeps what it was given and does
nothing, so that no code of the file runs; tensors are views of the stored bytes.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coldframe.errors import ModelError

_DTYPES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
_DEEPEST = 64
"""Modules within modules."""


class Husk:
    """What is left of a foreign object: the state it was given, and no behaviour."""

    def __new__(cls, *_: object, **__: object) -> Husk:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        self.held: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        parts = state if isinstance(state, tuple) else (state,)
        self.held = {str(key): value for part in parts if isinstance(part, dict) for key, value in part.items()}

    def __setitem__(self, key: object, value: object) -> None: ...

    def __call__(self, *_: object, **__: object) -> Husk:
        return Husk()

    def append(self, _: object) -> None: ...

    def extend(self, _: object) -> None: ...

    def add(self, _: object) -> None: ...


class _Storage:
    def __init__(self, kind: str) -> None:
        self.dtype = _DTYPES[kind]


class _Reader(pickle.Unpickler):
    """Reads one pickle of an archive; see the module."""

    def __init__(self, archive: zipfile.ZipFile, folder: str, size: int) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        self._archive, self._folder, self._left = archive, folder, size
        self._kept: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _Storage(name)
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_tensor"):
            return _tensor
        if module == "torch._utils" and name.startswith("_rebuild_parameter"):
            return _parameter
        return Husk

    def persistent_load(self, pid: Any) -> Tensor:
        _, kind, key, *_ = pid
        if not isinstance(kind, _Storage):
            raise ValueError("a storage of no known type")
        if key not in self._kept:
            place = f"{self._folder}/data/{key}"
            self._left -= self._archive.getinfo(place).file_size
            if self._left < 0:
                raise ValueError("more bytes than the file has")
            content = bytearray(self._archive.read(place))
            self._kept[key] = torch.frombuffer(content, dtype=kind.dtype) if content else torch.empty(0, dtype=kind.dtype)
        return self._kept[key]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return torch.as_strided(storage, tuple(size), tuple(stride), int(offset))


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


def tensors_of(path: Path) -> Any:
    """Return what a torch archive holds, foreign objects as :class:`Husk`; modules become a dict of their tensors.

    Raises:
        ModelError: it is no archive of torch, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
            if len(pickles) != 1:
                raise ModelError(f"expected one pickle in {path}, found {len(pickles)}; convert it to safetensors")
            value = _Reader(archive, pickles[0].partition("/")[0], path.stat().st_size).load()
    except ModelError:
        raise
    except MemoryError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ModelError(
            f"cannot read {path}: expected a safetensors file or a torch file of tensors, found neither or damage ({reason}); "
            "convert it to safetensors on a machine that trusts it"
        ) from error
    return dict(_flat(value, "", 0)) if isinstance(value, Husk) else value


def _flat(husk: Husk, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a module by their dotted names, as ``state_dict`` would."""
    if depth > _DEEPEST:
        raise ModelError("expected modules at most 64 deep in a checkpoint, found more; convert it to safetensors")
    held = husk.held
    for group in ("_parameters", "_buffers", "_modules"):
        inside = held.get(group)
        if isinstance(inside, Mapping):
            held = held | {str(name): value for name, value in inside.items()}
    for name, value in held.items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, Husk):
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
