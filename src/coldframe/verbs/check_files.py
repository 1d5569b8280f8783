"""What check writes: a page with pictures, a table to act on, a cleaned list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coldframe.errors import DataError, InputError
from coldframe.files import as_csv, write_bytes, write_json, write_text
from coldframe.verbs.check import Checked
from coldframe.version import __version__

SHOWN = 12
"""Pictures of each finding on the page."""


def write(found: Checked, out: Path, command: str, fix: Path | None = None) -> dict[str, Any]:
    """Write ``report.html``, ``issues.csv`` and ``results.json``, and the cleaned list; return what results.json holds.

    The cleaned list leaves out pictures with two labels, blank ones and repeats of the same pixels: of a pair across splits
    the one outside test, so that no test picture is learned from. Doubtful labels stay. No file is touched.

    Raises:
        InputError: a cleaned list is asked for of pictures that are no files.
    """
    from coldframe.report.figures.style import data_uri
    from coldframe.report.figures.thumbnail import thumbnail
    from coldframe.report.page import rendered

    cleaned = _cleaned(found) if fix is not None else ""
    kinds = list(dict.fromkeys(fault.kind for fault in found.faults))
    parts = []
    for kind in kinds:
        faults = found.of(kind)
        pictures = [
            {"image": data_uri(thumbnail(found.images.open(row))), "name": _called(found, row), "says": says}
            for fault in faults[:SHOWN]
            for row, says in ((fault.row, fault.says), *([(fault.other, "the other")] if fault.other >= 0 else []))
        ]
        parts.append({"heading": f"{kind}: {len(faults):,}", "pictures": pictures, "more": len(faults) > SHOWN})
    title = f"What is wrong with {found.data.spec}"
    page = rendered("check.html", {"title": title, "lines": found.lines, "parts": parts, "command": command})
    results = {
        "coldframe": __version__, "command": command, "data": found.data.spec, "origin": found.data.origin,
        "n": len(found.labels), "counts": {kind: len(found.of(kind)) for kind in kinds}, "lines": found.lines,
    }  # fmt: skip
    if found.next:
        results["label_next"] = found.next
        write_text(out / "label-next.csv", "".join(f"{line}\n" for line in ("image", *found.next)))
    write_text(out / "issues.csv", _csv(found))
    write_text(out / "report.html", page)
    write_json(out / "results.json", results)
    if fix is not None:
        write_bytes(fix, cleaned.encode("utf-8", "surrogateescape"))  # names of any bytes are read back
    return results


def _called(found: Checked, row: int) -> str:
    return f"{found.data.classes[found.labels[row]]}, {found.splits[row]}: {found.called(row)}"


def _csv(found: Checked) -> str:
    lines: list[tuple[str, ...]] = [("image", "split", "label", "issue", "score", "says")]
    for fault in sorted(found.faults, key=lambda fault: (fault.kind, -fault.score)):
        label = found.data.classes[found.labels[fault.row]]
        name, split = found.called(fault.row), found.splits[fault.row]
        lines.append((name, split, label, fault.kind, f"{fault.score:.4f}", fault.says))
    return as_csv(lines)


def _cleaned(found: Checked) -> str:
    if not Path(found.images.name(0)).is_file():
        raise InputError(f"expected pictures in files for a cleaned list, found {found.images.name(0)}; leave --fix out")
    out: set[int] = set()
    for fault in found.faults:
        if fault.kind == "two labels":
            out |= {fault.row, fault.other}
        elif fault.kind == "same pixels":
            keep_row = found.splits[fault.row] == "test" and found.splits[fault.other] != "test"
            out.add(fault.other if keep_row else fault.row)
        elif fault.kind == "blank":
            out.add(fault.row)
    kept = [row for row in range(len(found.labels)) if row not in out]
    if not kept:
        raise DataError(f"expected pictures to keep in {found.data.spec}, found none")
    lines = [
        (str(Path(found.images.name(row)).absolute()), found.data.classes[found.labels[row]], found.splits[row]) for row in kept
    ]
    return as_csv([("image", "label", "split"), *lines])
