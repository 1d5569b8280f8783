"""Weights on this disk: the caches of the hubs are looked into, and the network is reached only on request."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from coldframe.backbones.ids import HUB, ModelId
from coldframe.errors import WeightsNotFound

FETCH = "--download (download=True in Python)"
"""How the network is allowed, in words."""


def hub_cache() -> Path:
    """Return the folder in which the Hugging Face hub library keeps what it fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def torch_cache() -> Path:
    """Return the folder in which torch keeps the checkpoints it fetched."""
    if "torch" in sys.modules:
        return Path(sys.modules["torch"].hub.get_dir()) / "checkpoints"
    # What torch would say, without the seconds that it takes to import.
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints"


def in_hub_cache(repository: str, names: Sequence[str]) -> Path | None:
    """Return the first of some files of a hub repository that is on this disk, or None. Never uses the network."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = repository.partition("@")
    for name in names:
        found = try_to_load_from_cache(repository, name, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return None


def in_torch_cache(url: str) -> Path | None:
    """Return the file that torch would keep for this address, or None when it is not on this disk."""
    path = torch_cache() / Path(urlparse(url).path).name
    return path if path.is_file() else None


def _unreachable(what: str, error: Exception) -> WeightsNotFound:
    cause = type(error).__name__
    return WeightsNotFound(f"cannot fetch {what} ({cause}); check the connection or pass a local file as ID@PATH")


def fetch_from_hub(repository: str, names: Sequence[str]) -> Path:
    """Fetch the first of some files of a hub repository that exists there."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    plain, _, revision = repository.partition("@")
    for name in names:
        try:
            return Path(hf_hub_download(plain, name, revision=revision or None))
        except LocalEntryNotFoundError as error:
            raise _unreachable(plain, error) from error
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise _unreachable(plain, error) from error
    raise WeightsNotFound(f"cannot fetch {plain}: it has none of the files {', '.join(names)}; pass a local checkpoint")


def fetch_from_url(url: str) -> Path:
    """Fetch a file into torch's folder of checkpoints, checking the hash that its name carries."""
    import torch
    from torch.hub import HASH_REGEX

    path = torch_cache() / Path(urlparse(url).path).name
    match = HASH_REGEX.search(path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, os.fspath(path), match.group(1) if match else None, progress=False)
    except Exception as error:
        raise _unreachable(path.name, error) from error
    return path


def find(name: str, *, hub: str = "", files: Sequence[str] = (), url: str = "", download: bool = False) -> Path:
    """Return the local file of some weights, fetching it only when ``download`` allows.

    Args:
        name: the model id, for the error.
        hub: a repository of the hub, or empty.
        files: names its weights may have there, best first.
        url: an address that torch would fetch, or empty.
        download: whether the network may be used.

    Raises:
        WeightsNotFound: the weights are not on this disk, in one sentence: what, where it looked, how to get it.
    """
    found = (in_hub_cache(hub, files) if hub else None) or (in_torch_cache(url) if url else None)
    if found is not None:
        return found
    if download:
        return fetch_from_hub(hub, files) if hub else fetch_from_url(url)
    looked = " and ".join(str(folder) for folder, used in ((hub_cache(), hub), (torch_cache(), url)) if used)
    raise WeightsNotFound(
        f"the weights of {name} are not on this disk (looked in {looked}); fetch them with {FETCH}, "
        f"pass a local file as {name}@PATH, or ask for random weights with {name}/random"
    )


def beside(model: ModelId, folder: Path, names: Sequence[str]) -> Path | None:
    """Return the weights of a model that a folder or a repository of the hub describes; None for random ones.

    Args:
        model: its id; a checkpoint named there comes first.
        folder: where its description lies.
        names: names that its weights may have, best first.

    Raises:
        WeightsNotFound: there are none.
    """
    if model.random or model.checkpoint is not None:
        return model.checkpoint
    if model.name.startswith(HUB):
        return find(str(model), hub=model.name.removeprefix(HUB), files=names, download=model.download)
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        advice = f"copy them there or ask for random weights with {model}/random"
        raise WeightsNotFound(f"expected weights in {folder} ({', '.join(names)}), found none; {advice}")
    return found
