"""A saved run in a repository of the Hugging Face hub, or in a folder laid out like one: sent, and fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from coldframe import files
from coldframe.delivery.card import card
from coldframe.errors import FileError, InputError, MissingPackage
from coldframe.files import MOST_TEXT, MOST_WEIGHTS, expanded, read_bytes, regular, write_bytes
from coldframe.methods.saving import about_of, state_of

CARD, ABOUT, STATE = "README.md", "adaptation.json", "adaptation.safetensors"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def is_local(repository: str) -> bool:
    """Return whether a target is a folder of this machine: a path that starts with ``.``, ``/`` or ``~``."""
    return repository.startswith((".", "/", "~")) or Path(repository).is_absolute()


def checked(repository: str) -> str:
    """Return the name of a repository or the path of a folder. Raises :class:`InputError` where it is neither."""
    if not is_local(repository) and not _REPOSITORY.fullmatch(repository):
        raise InputError(f"expected a repository OWNER/NAME, or a folder such as ./NAME, found {repository!r}")
    return repository


def parcel(folder: Path, repository: str) -> dict[str, bytes]:
    """Return what is sent of a saved run: its tensors, what they are, and a card. Nothing else of the folder is looked at.

    Raises:
        ModelError: the tensors are not those that the run lists.
    """
    state_of(about_of(folder), folder)
    return {
        CARD: files.encoded(card(folder, repository)),
        ABOUT: read_bytes(folder / ABOUT, MOST_TEXT),
        STATE: _content(folder / STATE, MOST_WEIGHTS),
    }


def token() -> str:
    """Return the user's own token of the hub. Raises :class:`InputError` where there is none."""
    found: str | None = _library().get_token()
    if not found:
        said = "expected a token of the hub, found none; log in with 'hf auth login', or set HF_TOKEN; nothing was sent"
        raise InputError(said)
    return found


def send(parts: Mapping[str, bytes], repository: str, *, public: bool = False) -> str:
    """Send files as one commit, or write them to a folder; return where they are.

    Args:
        parts: name -> content.
        repository: ``OWNER/NAME``, made where it is missing; or a folder.
        public: whether a repository that is made here may be read by all.

    Raises:
        FileError: the hub refused, or cannot be reached.
    """
    if is_local(checked(repository)):
        for name, content in parts.items():
            write_bytes(expanded(repository) / name, content)
        return str(expanded(repository))
    hub = _library()
    api = hub.HfApi(token=token())
    operations = [hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content) for name, content in parts.items()]

    def act() -> str:
        api.create_repo(repository, exist_ok=True, private=not public)
        return str(api.create_commit(repository, operations, commit_message="Add a run of coldframe").commit_url)

    return _told(f"cannot send to {repository}", act)


def fetch(repository: str, out: Path) -> Path:
    """Fetch a run into a new folder: whole and checked, or not at all.

    Raises:
        FileError: the folder is not empty, the hub refused or cannot be reached, or what it holds is damaged.
        ModelError: the tensors are not those that the run lists.
    """
    local = is_local(checked(repository))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileError(f"expected a new or an empty folder at {out}, found something there; give another with --out")
    found = {}
    for name, most in ((ABOUT, MOST_TEXT), (STATE, MOST_WEIGHTS), (CARD, MOST_TEXT)):
        path = expanded(repository) / name if local else Path(_download(repository, name))
        if name != CARD or path.is_file():
            found[name] = _content(path, most)
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        for name, content in found.items():
            write_bytes(part / name, content)
        state_of(about_of(part), part)
        with files.explained(out, "write"):
            if out.is_dir():
                out.rmdir()
            part.rename(out)
    finally:
        files.remove_folder(part)
    return out


def _content(path: Path, most: int) -> bytes:
    """Return the bytes of a file; no more memory is asked for than it has."""
    return read_bytes(path, regular(path, most))


def _download(repository: str, name: str) -> str:
    hub = _library()
    return _told(f"cannot fetch {name} of {repository}", lambda: str(hub.hf_hub_download(repository, name)))


def _told(what: str, act: Callable[[], str]) -> str:
    """Do something with the hub; one sentence for whatever it or the connection says."""
    try:
        return act()
    except OSError as error:  # requests, offline mode and the hub's own errors are all of this kind
        raise FileError(f"{what}: {_reason(error)}") from error
    except Exception as error:
        raise FileError(f"{what}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    kind = type(error).__name__
    known = {
        "RepositoryNotFoundError": "expected a repository that exists and that your token may read, found none of this name",
        "EntryNotFoundError": "expected a run of coldframe there, found none of its files",
        "RemoteEntryNotFoundError": "expected a run of coldframe there, found none of its files",
        "OfflineModeIsEnabled": "the hub is switched off by HF_HUB_OFFLINE; unset it to use the network",
        "LocalEntryNotFoundError": "it is not on this disk and the hub cannot be reached; check the connection",
    }
    status = getattr(getattr(error, "response", None), "status_code", None)
    if kind in known:
        return known[kind]
    if status in (401, 403):
        return f"the hub refused the token ({status}); log in again with 'hf auth login', with the right to write"
    return f"{kind}{f' ({status})' if status else ''}; check the connection and the name"


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingPackage("expected the package huggingface_hub, found none; pip install 'coldframe[hub]'") from error
    return huggingface_hub
