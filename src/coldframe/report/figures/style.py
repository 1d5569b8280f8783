"""Drawing for every room: one style, lines, bars, sheets of pictures, and how a figure becomes a file.

Figures are objects of their own, never the global state of pyplot. The palette keeps its colours apart for colour-blind
readers (after Okabe and Ito, and Paul Tol); lines also differ in their markers.
"""

from __future__ import annotations

import base64
import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from coldframe.errors import InputError
from coldframe.files import encoded, write_bytes
from coldframe.report.figures.limits import percent_limits

PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#332288",
    "#56B4E9",
    "#882255",
    "#999933",
    "#44AA99",
    "#5D4037",
    "#6B6B6B",
)
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "p", "h", "*")
INK, SOFT, FAINT = "#1f2a26", "#68736e", "#dfe4e1"
_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    # A class may be called '$5'; nothing here is mathematics.
    "text.parse_math": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "coldframe",
    "svg.fonttype": "path",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw and save in the house's style inside the block; names in letters the font lacks are drawn as boxes."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of width x height inches. Call it inside :func:`style`."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    return figure


def shorten(name: str, limit: int = 28) -> str:
    """Return a name of at most ``limit`` characters, its middle left out where it is longer."""
    name = " ".join(encoded(name).decode().split())  # no font draws a byte of a file name that is not UTF-8
    if len(name) <= limit:
        return name
    tail = limit // 3
    return f"{name[: limit - tail - 1].rstrip()}…{name[-tail:].lstrip()}"


def distinct(names: Sequence[str], limit: int = 28) -> list[str]:
    """Return the names shortened; those that became alike carry their number, so that no two are the same."""
    short = [shorten(name, limit) for name in names]
    return [f"{name} [{i}]" if short.count(name) > 1 else name for i, name in enumerate(short)]


def _bytes(figure: Figure, kind: str, dpi: int) -> bytes:
    # The date is left out, so that the same numbers give the same file.
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    out = io.BytesIO()
    with style():
        figure.savefig(out, format=kind, dpi=dpi, metadata=metadata)
    return out.getvalue()


def as_svg(figure: Figure) -> bytes:
    """Return the figure as an SVG file."""
    return _bytes(figure, "svg", 72)


def as_png(figure: Figure, dpi: int = 150) -> bytes:
    """Return the figure as a PNG file."""
    return _bytes(figure, "png", dpi)


def save_figure(figure: Figure, path: str | Path, dpi: int = 150) -> list[Path]:
    """Write ``path`` with the endings ``.png`` and ``.svg``; return both paths.

    Args:
        figure: what to write.
        path: the file's name; an ending ``.png`` or ``.svg`` is dropped.
        dpi: pixels an inch of the PNG.
    """
    path = Path(path)
    stem = path.name[:-4] if path.suffix in (".png", ".svg") else path.name
    return [
        write_bytes(path.with_name(f"{stem}.png"), as_png(figure, dpi)),
        write_bytes(path.with_name(f"{stem}.svg"), as_svg(figure)),
    ]


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Return bytes as an address that a page can hold."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def log_scale(axes: Axes, which: str = "y", marks: Sequence[float] = (1, 2, 5)) -> None:
    """Put x or y on a logarithmic scale with marks at these multiples of powers of ten, written as plain numbers.

    matplotlib writes powers as mathematics, which the house's style does not set.
    """
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=marks))
    axis.set_major_formatter("{x:,.10g}")
    axis.set_minor_formatter(NullFormatter())


def line_plot(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float | None]]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    percent: bool = False,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    colours: Mapping[str, str] | None = None,
    markers: Mapping[str, str] | None = None,
    log_y: bool = False,
    width: float = 7.0,
    height: float = 3.8,
) -> Figure:
    """Return a figure of named lines.

    Args:
        lines: name -> (x, y); a y of None is a gap.
        title: heading of the figure.
        x_label: what x is, with its unit.
        y_label: what y is, with its unit.
        percent: whether y is a fraction to be shown in percent.
        bands: name -> (low, high), drawn as a shade behind the line.
        colours: name -> colour; the palette in order for the others.
        markers: name -> marker of lines with few points.
        log_y: whether y is on a logarithmic scale.
        width: inches.
        height: inches.
    """
    with style():
        figure = new_figure(width, height)
        axes = figure.add_subplot()
        scale = 100.0 if percent else 1.0
        for number, (name, (x, y)) in enumerate(lines.items()):
            colour = (colours or {}).get(name, PALETTE[number % len(PALETTE)])
            values = np.array([np.nan if v is None else v for v in y], dtype=np.float64) * scale
            marker = (markers or {}).get(name, MARKERS[number % len(MARKERS)]) if len(x) <= 12 else ""
            axes.plot(x, values, color=colour, label=name, linewidth=1.8, markersize=5, marker=marker)
            if bands and name in bands:
                low, high = (np.asarray(edge, dtype=np.float64) * scale for edge in bands[name])
                axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set(title=title, xlabel=x_label, ylabel=f"{y_label} (%)" if percent else y_label)
        if log_y:
            log_scale(axes)
        elif percent:
            axes.set_ylim(*percent_limits(*axes.get_ylim()))
        if all(float(v).is_integer() for x, _ in lines.values() for v in x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(lines) > 1:
            # Outside the axes: a legend never hides a line.
            figure.legend(loc="outside right upper", fontsize=9)
    return figure


def bars(
    values: Mapping[str, float | None],
    *,
    title: str = "",
    x_label: str = "",
    errors: Mapping[str, float | None] | None = None,
    colours: Mapping[str, str] | None = None,
    texts: Mapping[str, str] | None = None,
    width: float = 7.0,
) -> Figure:
    """Return a figure of horizontal bars, the first on top.

    Args:
        values: name -> length; None leaves the bar out.
        title: heading of the figure.
        x_label: what the length is, with its unit.
        errors: name -> half an interval.
        colours: name -> colour; the first of the palette for the others.
        texts: name -> what stands at the end of the bar.
        width: inches; the height follows the number of bars.
    """
    if not values:
        raise InputError("expected at least one bar, found none")
    with style():
        figure = new_figure(width, 0.9 + 0.27 * len(values))
        axes = figure.add_subplot()
        places = np.arange(len(values))[::-1]
        lengths = [0.0 if v is None else v for v in values.values()]
        half = [(errors or {}).get(name) or 0.0 for name in values]
        paint = [(colours or {}).get(name, PALETTE[0]) for name in values]
        whiskers = half if any(half) else None
        axes.barh(places, lengths, height=0.68, color=paint, xerr=whiskers, error_kw={"ecolor": INK, "capsize": 2})
        for place, name, length, extra in zip(places, values, lengths, half, strict=True):
            text = (texts or {}).get(name, "")
            end = (length + extra, place)
            axes.annotate(text, end, (5, 0), textcoords="offset points", va="center", fontsize=8.5, color=SOFT)
        axes.set_yticks(places, [shorten(name, 40) for name in values])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set_ylim(-0.6, len(values) - 0.4)
        axes.margins(x=0.12 if texts else 0.04)
        axes.set(title=title, xlabel=x_label)
    return figure


def image_sheet(
    images: Any,
    titles: Sequence[str] | None = None,
    columns: int | None = None,
    *,
    title: str = "",
    size: float = 1.5,
    colour_map: str = "gray",
) -> Figure:
    """Return a figure of pictures in a grid, each with a title above it.

    Args:
        images: [N, H, W, 3] or [N, H, W], uint8 or floats in [0, 1]; or N pictures of different sizes. Tensors too.
        titles: N texts; long ones are wrapped.
        columns: pictures in a row; near a square when None.
        title: heading of the sheet.
        size: inches of one picture's side.
        colour_map: colours of pictures without channels.
    """
    pictures = [np.asarray(image.detach().cpu() if hasattr(image, "detach") else image) for image in images]
    if not pictures or (titles is not None and len(titles) != len(pictures)):
        raise InputError(f"expected pictures and as many titles, found {len(pictures)} pictures and {len(titles or ())} titles")
    for picture in pictures:
        if picture.ndim != 2 and (picture.ndim != 3 or picture.shape[-1] != 3):
            raise InputError(f"expected pictures [H, W, 3] or [H, W], found shape {list(picture.shape)}; move channels last")
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    lines = math.ceil(len(pictures) / columns)
    wide = max(8, int(size * 9))
    wrapped = ["\n".join(textwrap.wrap(text, wide)) or " " for text in titles] if titles else []
    tallest = max((text.count("\n") + 1 for text in wrapped), default=0)
    with style():
        figure = new_figure(columns * (size + 0.12) + 0.1, lines * (size + 0.12 + 0.17 * tallest) + (0.4 if title else 0.1))
        for number, picture in enumerate(pictures):
            axes = figure.add_subplot(lines, columns, number + 1)
            shown = picture if picture.dtype == np.uint8 else np.clip(picture.astype(np.float64), 0, 1)
            axes.imshow(shown, cmap=colour_map, interpolation="nearest", vmin=0, vmax=255 if shown.dtype == np.uint8 else 1)
            axes.set_axis_off()
            if wrapped:
                axes.set_title(wrapped[number], fontsize=8.5, fontweight="normal", loc="center")
        if title:
            figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure
