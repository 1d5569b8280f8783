"""``coldframe doctor``: what this installation has, lacks and can do."""

from __future__ import annotations

from coldframe.cli import common


def doctor(*, quick: bool = False, device: str | None = None, json: bool = False) -> None:
    """Look at versions, processor, GPU, cache, disk, data and weights, and try the bundled model on bundled photographs.

    Nothing is fetched. The exit code is 0 where nothing is broken, else 2; the printed lines belong in a report of a fault.

    Args:
        quick: leave out the trial, which takes a few seconds.
        device: cpu, cuda or cuda:N for the trial; by default a GPU if there is one.
        json: print JSON instead of lines.
    """
    from coldframe.errors import ColdframeError
    from coldframe.verbs.doctor import Finding, examine

    where = common.device_name(device)
    found: list[Finding] = []
    for finding in examine(where, quick=quick):
        found.append(finding)
        if not json:
            common.say(f"{finding.state:5}  {finding.what:9}  {finding.said}")
    if json:
        common.print_json({"findings": [finding.as_dict() for finding in found]})
    broken = [finding.what for finding in found if finding.state == "fault"]
    if broken:
        raise ColdframeError(f"not everything works: {', '.join(broken)}; see the lines above that begin with fault")
