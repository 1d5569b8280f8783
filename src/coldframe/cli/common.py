"""What several verbs parse alike."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from coldframe.errors import ColdframeError, InputError, visible

if TYPE_CHECKING:
    from rich.text import Text

    from coldframe.cold import ColdPass

GB = 10**9
Engine = Literal["eager", "folded", "onnxruntime", "compile", "auto"]
DEVICES = re.compile("cpu|mps|cuda(:[0-9]{1,3})?")
"""Where coldframe computes; torch knows more devices, some of which compute nothing (meta)."""
_ACTING = re.compile("[\ud800-\udfff\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def names(text: Sequence[str] | None) -> list[str] | None:
    """Return names given as ``a,b`` or by repeating the option."""
    if text is None:
        return None
    return [name.strip() for part in text for name in part.split(",") if name.strip()]


def settings(pairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return ``METHOD.NAME=VALUE`` texts as settings by method; values are JSON where they can be, else text.

    Example:
        >>> settings(["fine-tune.epochs=5", "linear-probe.l2=auto"])
        {'fine-tune': {'epochs': 5}, 'linear-probe': {'l2': 'auto'}}
    """
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        path, equals, value = pair.partition("=")
        method, dot, name = path.rpartition(".")  # a file of one's own has points before
        if not (equals and dot and method and name):
            raise InputError(f"expected --set METHOD.NAME=VALUE, such as fine-tune.epochs=5, found {pair!r}")
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):  # no JSON, a number of too many digits, or brackets without end
            parsed = value
        found.setdefault(method, {})[name.replace("-", "_")] = parsed
    return found


def class_names(text: str | None) -> list[str] | None:
    """Return class names from ``a,b,c`` or from a file of lines."""
    if text is None:
        return None
    from coldframe.files import is_file, read_text

    path = Path(text)
    if is_file(path):
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    return [name.strip() for name in text.split(",") if name.strip()]


def device_name(device: str | None) -> str:
    """Return the device asked for, or the GPU where there is one, or the CPU; one sentence when it is not there."""
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not DEVICES.fullmatch(device):
        raise InputError(f"expected cpu, cuda, cuda:N or mps for --device, found {device!r}; choose cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"expected a device that this machine has, found {device!r}; choose cpu") from error
    return device


def cold_pass(
    storage: Literal["fp32", "bf16"], budget_gb: float | None, batch_size: int, engine: Engine = "eager"
) -> ColdPass:
    """Return the cold pass that the options describe."""
    from coldframe.cold import ColdPass

    budget = None if budget_gb is None else int(budget_gb * GB)
    return ColdPass(storage=storage, budget=budget, batch_size=batch_size, engine=engine)


def machine(device: str | None) -> dict[str, Any]:
    """Return the fingerprint of this machine."""
    from coldframe.measures import machine as fingerprint

    return fingerprint(device_name(device))


def refuse(failures: Sequence[str]) -> None:
    """Raise the first of what could not be finished, after all that could be is printed and written."""
    if failures:
        more = f" (and {len(failures) - 1:,} more)" if len(failures) > 1 else ""
        raise ColdframeError(f"{failures[0]}{more}; all other fits were finished and stand in the table")


def say_failed(failures: Sequence[str]) -> None:
    """Say on standard error which fits of a group were not finished; the command that gathers all groups ends with them."""
    for failure in failures:
        say_aside(failure)


def plain(doc: str) -> str:
    """Return a docstring as help: without marks of code and roles, each paragraph on one line, each argument a sentence.

    Example:
        >>> plain("Where ``a`` is\\n:func:`b.c`.\\n\\nArgs:\\n    n: how many of\\n        the ``x``.")
        'Where a is b.c.\\n\\nArgs:\\n    n: How many of the x.\\n'
    """
    def unmarked(text: str) -> str:
        return re.sub(r":\w+:`~?([^`]*)`", r"\1", text).replace("``", "")

    before, head, arguments = doc.partition("Args:\n")
    paragraphs = "\n\n".join(" ".join(part.split()) for part in unmarked(before).strip().split("\n\n"))
    joined = re.sub(r"\s*\n {5,}", " ", arguments.rstrip() + "\n")
    sentences = re.sub(r"^ {4}\w+: [a-z]", lambda found: found[0][:-1] + found[0][-1].upper(), joined, flags=re.MULTILINE)
    return f"{paragraphs}\n\n{head}{unmarked(sentences)}" if head else paragraphs


def say(line: object = "") -> None:
    """Print one line of text that may hold foreign names: what would act on the terminal is written out."""
    print(visible(line))


def say_left_out(left: dict[str, str]) -> None:
    """Say how many files were left out, by reason, and the names of the first few, on standard error."""
    if left:
        from coldframe.data.places import left_out

        names = ", ".join(list(left)[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        print(visible(f"{left_out(left)} ({names})"), file=sys.stderr)


def say_aside(text: str) -> None:
    """Print one line on standard error."""
    print(visible(text), file=sys.stderr)


def seen(looked: int, found: int) -> None:
    """Say on standard error how far the search for files is."""
    print(f"looking: {looked:,} files and folders, {found:,} images so far", file=sys.stderr)


def predicted(done: int, total: int) -> None:
    """Say on standard error how many pictures are done, now and then, and where there are many."""
    if total >= 1000 and (done == total or done * 20 // total > (done - 64) * 20 // total):
        print(f"predicted: {done:,} of {total:,} pictures", file=sys.stderr)


def run_own(files: Sequence[str] | None) -> None:
    """Run the user's own files, so that saved runs made with them can be loaded."""
    from coldframe.files.own import own

    for text in files or ():
        own(text)


def say_all(lines: Iterable[object]) -> None:
    """Print lines, each as :func:`say` does."""
    for line in lines:
        say(line)


def cell(text: object) -> Text:
    """Return foreign text for a table of rich, in which brackets mean nothing."""
    from rich.text import Text

    return Text(visible(text))


def print_json(value: object) -> None:
    """Print a value as JSON: letters as they are where the encoding has them all, else as escapes of JSON."""
    whole = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    try:
        text = json.dumps(value, indent=2, ensure_ascii=not whole, allow_nan=False)
    except ValueError as error:
        said = f"cannot print the results as JSON: a value is not a finite number ({error}); leave --json out"
        raise InputError(said) from error
    if whole:  # bytes that are no UTF-8 are lone surrogates, which only an escape can carry, as what acts on a terminal
        text = _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    print(text)


def print_row(row: dict[str, Any], *, json: bool) -> None:
    """Print one evaluation, as JSON or as a few lines."""
    if json:
        print_json(row)
        return
    say(f"{row['method']} on {row['model']} · {row['data']} ({row['split']}, {row['n']:,} images)")
    parts = [("top-1", row.get("top1")), ("top-5", row.get("top5")), ("per class", row.get("mean_per_class"))]
    parts += [("mAP", row.get("map")), ("micro F1", row.get("micro_f1")), ("macro F1", row.get("macro_f1"))]
    scaled = row.get("ece_scaled")
    ece = "" if row.get("ece") is None else f"   ECE {row['ece']:.3f}"
    ece += "" if scaled is None else f", {scaled:.3f} after temperature scaling"
    if row.get("kappa") is not None:
        ece += f"   kappa {row['kappa']:.3f} (quadratic), {row['rank_error']:.2f} ranks off on average"
    say("  " + "   ".join(f"{name} {value:.2%}" for name, value in parts if value is not None) + ece)
    costs = [f"{row['trainable_parameters']:,} trained parameters"]
    if row.get("train_seconds") is not None:
        costs.append(f"training {row['train_seconds']:.1f} s")
    if row.get("latency_ms") is not None:
        costs.append(f"{row['latency_ms']:.1f} ms per image")
    say("  " + "   ".join(costs))


def print_lines(table: Sequence[Sequence[str]]) -> None:
    """Print a head and lines of cells, as wide as they are; columns of numbers stand to the right."""
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [any(cell[:1].isalpha() for cell in column[1:]) for column in columns]
    for line in table:
        cells = (f"{cell:{'<' if left else '>'}{width}}" for cell, width, left in zip(line, widths, words, strict=True))
        say("  ".join(cells).rstrip())
