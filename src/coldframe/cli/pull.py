"""``coldframe pull``: a run that was pushed, as a folder to predict with."""

from __future__ import annotations

from pathlib import Path

from coldframe.cli import common


def pull(repository: str, /, *, out: Path | None = None) -> None:
    """Fetch a run that coldframe pushed; what is damaged is not kept.

    Only tensors and settings are read, never code. The backbone comes from its own place when the run is used.

    Parameters
    ----------
    repository:
        OWNER/NAME on the hub, or a folder that push wrote.
    out:
        A new folder for the run; by default runs/NAME.
    """
    from coldframe.delivery import hub
    from coldframe.files import expanded

    name = hub.checked(repository).rstrip("/").rpartition("/")[2]
    folder = hub.fetch(repository, expanded(out) if out is not None else Path("runs") / name)
    common.say(f"saved: {folder}")
    common.say(f"to classify photos with it: coldframe predict PHOTOS --run {folder}")
