"""What a figure shows, as lines of text, and the comparison of them with those that are kept.

A picture is part of what a user sees: a bar of another length, a title that is gone, a letter twice as large. ``unchanged``
compares every line, bar, text, limit and size with a file in the folder ``drawn`` beside the test. After a change that is
meant, run the test with ``RENEW_DRAWN=1`` and read the difference before it is kept.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex

MOST = 16
"""Numbers of one array that are written out; a longer one is known by its length, sum, largest and a weighted sum."""


def unchanged(test: str, name: str, figure: Any) -> None:
    """Assert that a figure is drawn as the file ``drawn/NAME.txt`` beside the test says."""
    same_text(test, name, "\n".join(drawn(figure)) + "\n")


def same_text(test: str, name: str, found: str) -> None:
    """Assert that a text is that of the file ``drawn/NAME.txt`` beside the test; the message is the difference."""
    path = Path(test).parent / "drawn" / f"{name}.txt"
    if os.environ.get("RENEW_DRAWN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    kept = path.read_text(encoding="utf-8")
    changed = difflib.unified_diff(kept.splitlines(), found.splitlines(), "kept", "found", lineterm="", n=0)
    assert found == kept, "\n".join(changed)


def same_line(test: str, name: str, key: str, found: str) -> None:
    """Assert that a text is that of the line ``KEY: ...`` of ``drawn/NAME.txt`` beside the test, which its cases share."""
    path = Path(test).parent / "drawn" / f"{name}.txt"
    if os.environ.get("RENEW_DRAWN"):
        path.parent.mkdir(exist_ok=True)
        lines = (_kept(path) if path.exists() else {}) | {key: found}
        path.write_text("".join(f"{one}: {line}\n" for one, line in sorted(lines.items())), encoding="utf-8")
    assert found == _kept(path)[key]


def drawn(figure: Any) -> list[str]:
    """Return what stands on a figure or part of one, an artist a line."""
    size = f" {_numbers(figure.get_size_inches())} in" if hasattr(figure, "get_size_inches") else ""
    lines = [f"figure{size}"]
    heads = (getattr(figure, name, None) for name in ("_suptitle", "_supxlabel", "_supylabel"))
    lines += [f"  {_text(text)}" for text in [*(head for head in heads if head), *figure.texts]]
    for legend in figure.legends:
        lines += [f"  {line}" for line in _legend(legend)]
    for part in figure.subfigs:
        lines += [f"  {line}" for line in drawn(part)]
    for axes in figure._localaxes:
        lines += [f"  {line}" for line in _axes(axes)]
    return lines


def _axes(axes: Any) -> Iterator[str]:
    yield f"axes at {_place(axes)} aspect {axes.get_aspect()}{'' if axes.axison else ' off'}"
    if axes.axison:
        for which in ("x", "y"):
            yield f"  {_axis(axes, which)}"
        seen = [name for name, spine in axes.spines.items() if spine.get_visible()]
        yield f"  spines {' '.join(seen)} {_colour(axes.spines['left'].get_edgecolor())}"
    for title in (axes._left_title, axes.title, axes._right_title, axes.xaxis.label, axes.yaxis.label):
        if title.get_text():
            yield f"  {_text(title, placed=False)}"
    for line in axes.lines:
        yield f"  {_line(line)}"
    for patch in axes.patches:
        yield f"  {_patch(patch)}"
    for each in axes.collections:
        points = [point for path in each.get_paths() for point in path.vertices.ravel()]
        paint = " ".join(map(_colour, each.get_facecolor()[:2]))
        look = f"alpha {each.get_alpha()} width {_numbers(each.get_linewidth())}"
        yield f"  {type(each).__name__} {_numbers(points)} {paint} {look}"
    for image in axes.images:
        shape = "x".join(map(str, np.shape(image.get_array())))
        kind = f"{image.get_cmap().name} {image.get_interpolation()} over {_numbers(image.get_extent())}"
        yield f"  image {shape}: {_numbers(np.ravel(image.get_array()))} from {_numbers(image.get_clim())} {kind}"
    for text in axes.texts:
        yield f"  {_text(text)}"
    if axes.get_legend() is not None:
        yield from (f"  {line}" for line in _legend(axes.get_legend()))


def _place(axes: Any) -> str:
    spec = axes.get_subplotspec()
    if spec is None:
        return "a place of its own"
    rows, columns, first, last = spec.get_geometry()
    return f"{first} to {last} of {rows}x{columns}"


def _axis(axes: Any, which: str) -> str:
    axis = getattr(axes, f"{which}axis")
    low, high = getattr(axes, f"get_{which}lim")()
    marks = [float(place) for place in axis.get_majorticklocs() if min(low, high) <= place <= max(low, high)]
    texts = axis.get_major_formatter().format_ticks(marks) if marks else []
    tick = axis.get_major_ticks(1)[0] if marks else None
    look = ""
    if tick is not None:
        sizes = _numbers([tick.tick1line.get_markersize(), tick.label1.get_size(), tick.label1.get_rotation()])
        look = f" length, letters, turned {sizes} grid {tick.gridline.get_visible()}"
    return f"{which} {axis.get_scale()} {_numbers([low, high])} marks {_numbers(marks)} {texts}{look}"


def _text(text: Any, placed: bool = True) -> str:
    where = f" at {_numbers(text.get_position())}" if placed else ""
    if hasattr(text, "xyann"):
        where = f" of {_numbers(text.xy)} by {_numbers(text.xyann)}" + (" with a line" if text.arrow_patch is not None else "")
        if text.arrow_patch is not None:
            where += f" {_numbers([text.arrow_patch.shrinkA, text.arrow_patch.shrinkB, text.arrow_patch.get_linewidth()])}"
    look = f"{_numbers([text.get_fontsize()])} {text.get_fontweight()} {_colour(text.get_color())}"
    turned = f" turned {_numbers([text.get_rotation()])}" if text.get_rotation() else ""
    return f"text {text.get_text()!r}{where} {look} {text.get_ha()} {text.get_va()}{turned}"


def _line(line: Any) -> str:
    marker = f"{line.get_marker()} {_numbers([line.get_markersize(), line.get_markeredgewidth()])}"
    marker += f" {_colour(line.get_markerfacecolor())} {_colour(line.get_markeredgecolor())}"
    look = f"{line.get_linestyle()} {_numbers([line.get_linewidth()])} {_colour(line.get_color())} alpha {line.get_alpha()}"
    label = "" if str(line.get_label()).startswith("_") else f" {line.get_label()!r}"
    places = f"x {_numbers(line.get_xdata())} y {_numbers(line.get_ydata())}"
    return f"line{label} {places} {look} {marker} over {line.get_zorder():g}"


def _patch(patch: Any) -> str:
    ends = patch.get_extents().transformed(patch.axes.transData.inverted()).extents if patch.axes is not None else []
    look = f"{_colour(patch.get_facecolor())} {_colour(patch.get_edgecolor())} {_numbers([patch.get_linewidth()])}"
    return f"{type(patch).__name__} {_numbers(ends)} {look} alpha {patch.get_alpha()} {patch.get_hatch() or ''}".rstrip()


def _legend(legend: Any) -> Iterator[str]:
    yield f"legend at {legend._loc} in {legend._ncols} columns"
    for text in legend.get_texts():
        yield f"  {text.get_text()!r} {_numbers([text.get_fontsize()])}"


def _colour(colour: Any) -> str:
    return str(colour) if isinstance(colour, str) and colour in ("none", "auto") else to_hex(colour, keep_alpha=True)


def _numbers(values: Any) -> str:
    """Write numbers with four digits, so that neither a last bit nor another version of a library changes them."""
    plain = values.filled(np.nan) if hasattr(values, "filled") else values
    found = np.atleast_1d(np.asarray(plain, dtype=np.float64)).ravel()
    if len(found) <= MOST:
        return "[" + " ".join(f"{value:.4g}" if abs(value) > 1e-9 or value != value else "0" for value in found) + "]"
    known = np.nan_to_num(found)
    turned = (known * np.cos(np.arange(len(known)))).sum()
    return f"[{len(found)} numbers, sum {known.sum():.4g}, largest {known.max():.4g}, turned {turned:.3g}]"


def same_numbers(test: str, name: str, found: dict[str, Any], tolerance: float) -> None:
    """Assert that arrays are those of the file ``drawn/NAME.txt`` beside the test, each number to a tolerance.

    An array of more than 8 numbers is known by the means of its quarters, its ends, and a sum over its order.
    """
    path = Path(test).parent / "drawn" / f"{name}.txt"
    known = {key: _known(values) for key, values in found.items()}
    if os.environ.get("RENEW_DRAWN"):
        path.parent.mkdir(exist_ok=True)
        lines = {key: " ".join(f"{value:.6g}" for value in values) for key, values in known.items()}
        lines = (_kept(path) if path.exists() else {}) | lines  # cases of one test share a file
        path.write_text("".join(f"{key}: {values}\n" for key, values in lines.items()), encoding="utf-8")
    kept = _kept(path)
    for key, values in known.items():
        expected = [float(value) for value in kept[key].split()]
        np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance, err_msg=key)


def _kept(path: Path) -> dict[str, str]:
    lines = [line.rpartition(": ") for line in path.read_text(encoding="utf-8").splitlines()]
    return {key: values for key, _, values in lines}


def _known(values: Any) -> list[float]:
    flat = np.asarray(values, dtype=np.float64).ravel()
    if len(flat) <= 8:
        return flat.tolist()
    turned = float((flat * np.cos(np.arange(len(flat)))).mean())
    return [*(float(part.mean()) for part in np.array_split(flat, 4)), float(flat.max()), float(flat.min()), turned]


def same_words(test: str, name: str, key: str, found: str) -> None:
    """Assert that a line of text is that of its key in the file ``drawn/NAME.txt`` beside the test."""
    path = Path(test).parent / "drawn" / f"{name}.txt"
    if os.environ.get("RENEW_DRAWN"):
        path.parent.mkdir(exist_ok=True)
        lines = (_said(path) if path.exists() else {}) | {key: found}
        path.write_text("".join(f"{key}\n    {said}\n" for key, said in lines.items()), encoding="utf-8")
    assert found == _said(path)[key], f"{key}: {found!r} was {_said(path)[key]!r}"


def _said(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: said.removeprefix("    ") for key, said in zip(lines[::2], lines[1::2], strict=True)}


def placed(test: str, name: str, figure: Any, tolerance: float = 0.01) -> None:
    """Assert that the layout puts every part of a figure where the file ``drawn/NAME.txt`` beside the test says.

    Kept are left, bottom, width and height of each, as shares of the figure.
    """
    figure.canvas.draw()
    parts = {f"part {number}": axes.get_window_extent().transformed(figure.transFigure.inverted()).bounds
             for number, axes in enumerate(figure.get_axes())}  # fmt: skip
    same_numbers(test, name, parts, tolerance)
