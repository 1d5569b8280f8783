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
from typing import IO, Any

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


_MAGIC = 0x1950A86A20F9469CFC6C
"""The first number of a file in torch's older layout."""


class _Storage:
    def __init__(self, kind: str) -> None:
        self.dtype = _DTYPES[kind]


class _Reader(pickle.Unpickler):
    """Reads one pickle; see the module. Its numbers lie elsewhere: a subclass says where."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__(file)
        self._left = size
        self.kept: dict[str, Tensor] = {}

    def read_value(self) -> Any:
        """Return the value; a length that memory does not hold is damage, for what is read here is small."""
        try:
            return self.load()
        except MemoryError as error:
            raise ValueError("more bytes than the file has") from error

    def take(self, count: int) -> None:
        """Count bytes off those that the file has."""
        self._left -= count
        if self._left < 0:
            raise ValueError("more bytes than the file has")

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


class _Archived(_Reader):
    def __init__(self, archive: zipfile.ZipFile, folder: str, size: int) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")), size)
        self._archive, self._folder = archive, folder

    def persistent_load(self, pid: Any) -> Tensor:
        _, kind, key, *_ = pid
        if not isinstance(kind, _Storage):
            raise ValueError("a storage of no known type")
        if key not in self.kept:
            place = f"{self._folder}/data/{key}"
            self.take(self._archive.getinfo(place).file_size)
            content = bytearray(self._archive.read(place))
            self.kept[key] = torch.frombuffer(content, dtype=kind.dtype) if content else torch.empty(0, dtype=kind.dtype)
        return self.kept[key]


class _InOneRow(_Reader):
    """The older layout: pickles, and behind them the numbers, which are filled in afterwards."""

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "module":  # a class with its source
            return pid[1]
        _, kind, key, _, count, view = pid
        if not isinstance(kind, _Storage):
            raise ValueError("a storage of no known type")
        if key not in self.kept:
            self.take(int(count) * kind.dtype.itemsize)
            self.kept[key] = torch.zeros(int(count), dtype=kind.dtype)
        if view is None:
            return self.kept[key]
        _, offset, size = view
        return self.kept[key][int(offset) : int(offset) + int(size)]


def _older(path: Path) -> Any:
    """Return what a file in torch's layout before archives holds: magic, protocol, system, value, keys, numbers."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if _Reader(file, size).read_value() != _MAGIC:
            raise ValueError("no mark of torch")
        for _ in range(2):
            _Reader(file, size).read_value()
        reader = _InOneRow(file, size)
        value = reader.read_value()
        for key in _Reader(file, size).read_value():
            storage = reader.kept[key]
            wanted = storage.numel() * storage.dtype.itemsize
            count, content = int.from_bytes(file.read(8), "little"), file.read(wanted)
            if count != storage.numel() or len(content) != wanted:
                raise ValueError("the numbers are cut off")
            if wanted:
                storage.copy_(torch.frombuffer(bytearray(content), dtype=storage.dtype))
    return value


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Tensor:
    return torch.as_strided(storage, tuple(size), tuple(stride), int(offset))


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


def tensors_of(path: Path, *, zipped: bool = True) -> Any:
    """Return what a torch file holds, foreign objects as :class:`Husk`; modules become a dict of their tensors.

    Args:
        path: the file.
        zipped: whether it is an archive; otherwise it has torch's older layout.

    Raises:
        ModelError: it is no file of torch, or is damaged.
    """
    try:
        value = _archived(path) if zipped else _older(path)
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
    return tensors_of_module(value) if isinstance(value, Husk) else value


def tensors_of_module(husk: Husk) -> dict[str, Tensor]:
    """Return the tensors of what is left of a module, by their dotted names."""
    return dict(_flat(husk, "", 0))


def _archived(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ModelError(f"expected one pickle in {path}, found {len(pickles)}; convert it to safetensors")
        return _Archived(archive, pickles[0].partition("/")[0], path.stat().st_size).load()


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
