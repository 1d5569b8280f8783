"""``coldframe push``: a saved run into a repository of the Hugging Face hub, with a model card."""

from __future__ import annotations

from pathlib import Path

from coldframe.cli import common


def push(run: Path, repository: str, /, *, yes: bool = False, public: bool = False) -> None:
    """List what of a saved run would be sent to the hub; with --yes, send it.

    What was learned, its settings and a card with results, data, backbone, licence and commands are sent; never images, the
    backbone or other files of the folder. Your own token of the hub is used ('hf auth login', or HF_TOKEN).

    Parameters
    ----------
    run:
        Folder of a saved run, or of a comparison that holds best.
    repository:
        OWNER/NAME, made where it is missing; or a folder of this machine such as ./NAME, which is written at once.
    yes:
        Send it; without this nothing leaves the machine.
    public:
        Let all read a repository that is made here; by default private.
    """
    from coldframe.delivery import hub
    from coldframe.methods.run_folder import run_folder

    parts = hub.parcel(run_folder(run), hub.checked(repository))
    local = hub.is_local(repository)
    if yes and not local:
        hub.token()
    for name, content in parts.items():
        common.say(f"{len(content):>12,} bytes  {name}")
    if not yes and not local:
        common.say()
        common.say_all(parts[hub.CARD].decode().splitlines())
        common.say(f"nothing was sent; to send these {len(parts)} files to {repository}, add --yes")
        return
    common.say(f"{'written to' if local else 'sent to'} {hub.send(parts, repository, public=public)}")
    common.say(f"to fetch it: coldframe pull {repository}")
