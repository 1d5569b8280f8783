"""The main job on a tiny network: one cold pass for all methods, a table that adds up, and a comparison that resumes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from fakes import Pictures, TinyBackbone, tiny_classifier, tiny_clip
from PIL import Image

from coldframe.backbones import load_backbone
from coldframe.cold import ColdPass, PassReport, Store
from coldframe.data.base import Dataset, Split
from coldframe.errors import FileError, InputError
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.heads import Head
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.methods.pixel_prompt import PixelPrompt
from coldframe.report import save_report
from coldframe.types import Precision
from coldframe.verbs.case import Case, Fits
from coldframe.verbs.choose import DEFAULT_METHODS, label, unfit
from coldframe.verbs.compare import _several_alone, compare
from coldframe.verbs.fit import finished, fit_and_evaluate
from coldframe.verbs.pictures import hardest, prompts, wrong
from coldframe.verbs.tabulate import tabulate
from coldframe.verbs.watch import Watch


def coloured(n: int, seed: int, name: str) -> Split:
    generator = np.random.default_rng(seed)
    labels = np.arange(n, dtype=np.int64) % 3
    arrays = [generator.integers(0, 200, (18, 18, 3)) + 55 * np.eye(3, dtype=np.int64)[label] for label in labels]
    return Split(name, Pictures([a.astype(np.uint8) for a in arrays]), labels, ("red", "green", "<script>blue"))


DATA = Dataset("colours", coloured(30, 0, "train"), coloured(12, 1, "val"), coloured(21, 2, "test"), "made here")


class Recorder(Watch):
    def __init__(self) -> None:
        self.passes: list[PassReport] = []
        self.rows = 0

    def cold_done(self, report: PassReport) -> None:
        self.passes.append(report)

    def row(self, row: dict[str, object]) -> None:
        self.rows += 1


def test_one_cold_pass_serves_all_methods_and_seeds(tmp_path: Path) -> None:
    backbone = TinyBackbone(width=8)
    methods = [LinearProbe(backbone), NearestNeighbours(backbone), FineTune(backbone, layers="block1", epochs=2)]
    watch = Recorder()
    table = compare(methods, DATA, seeds=3, cold=ColdPass(Store(tmp_path)), watch=watch, latency=False, unknown="none")
    assert backbone.embedded == 63 + 1  # every image once, and one blank image to learn the sizes
    assert [report.images for report in watch.passes] == [63]
    assert watch.rows == len(table.rows) == 9
    assert {row["seed"] for row in table.rows} == {0, 1, 2}
    for row in table.rows:
        assert row["split"] == "test" and row["n"] == 21 and 0 <= row["top1"] <= 1
    assert len(table.comparisons) == 3
    probe = [row for row in table.rows if row["method"] == "linear-probe"]
    assert probe[0]["trainable_parameters"] == 3 * 8 + 3
    assert table.rows[3]["trainable_parameters"] == 0


def test_a_stopped_comparison_goes_on_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = TinyBackbone(width=8)
    out, cold = tmp_path / "out", ColdPass(Store(tmp_path / "store"))
    methods = [NearestNeighbours(backbone, k=3), FineTune(backbone, layers="head", epochs=2)]
    whole = compare(methods, DATA, seeds=2, cold=cold, latency=False)

    fits: list[str] = []
    fit = NearestNeighbours.fit

    def counted(self: NearestNeighbours, *args: object, **kwargs: object) -> object:
        fits.append("knn")
        return fit(self, *args, **kwargs)  # type: ignore[arg-type]

    def stopped(self: FineTune, *args: object, **kwargs: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(NearestNeighbours, "fit", counted)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(FineTune, "fit", stopped)
        compare(methods, DATA, seeds=2, cold=cold, out=out, latency=False)
    assert len(fits) == 2
    again = compare(methods, DATA, seeds=2, cold=cold, out=out, latency=False)
    assert len(fits) == 2  # finished fits are taken up
    assert [row["top1"] for row in again.rows] == [row["top1"] for row in whole.rows]

    changed = compare([NearestNeighbours(backbone, k=5)], DATA, seeds=1, cold=cold, out=out, latency=False)
    assert len(fits) == 3 and len(changed.rows) == 1  # other settings are another fit


def test_storage_in_half_precision_is_named_and_is_another_fit(tmp_path: Path) -> None:
    backbone, folders = TinyBackbone(width=8), []
    for storage in get_args(Precision):
        cold = ColdPass(Store(tmp_path / "store"), storage=storage)
        table = compare([NearestNeighbours(backbone)], DATA, seeds=1, cold=cold, out=tmp_path / "out", latency=False)
        assert any("bf16" in note for note in table.notes) == (storage == "bf16")
        folders.append({place.name for place in (tmp_path / "out" / "fits").iterdir()})
    assert len(folders[1]) == 2


def test_report_files(tmp_path: Path) -> None:
    backbone = TinyBackbone(width=8)
    table = compare([LinearProbe(backbone), NearestNeighbours(backbone)], DATA, seeds=2, cold=ColdPass(Store(tmp_path)))
    save_report(table, tmp_path / "out")
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {"coldframe", "command", "machine", "rows"} <= set(result)
    assert result["rows"][0]["latency_ms"] > 0 and result["rows"][1]["latency_ms"] is None
    assert any("ci95" in row for row in result["rows"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script src" not in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


def test_labels_tell_the_settings_apart() -> None:
    backbone = TinyBackbone()
    several = [NearestNeighbours(backbone, k=1), NearestNeighbours(backbone, k=5), LinearProbe(backbone)]
    assert [label(method, several) for method in several] == ["knn (k=1)", "knn (k=5)", "linear-probe"]


@pytest.mark.parametrize(
    ("methods", "options", "words"),
    [
        (["linear-prob"], {}, "did you mean 'linear-probe'"),
        (["zero-shot"], {}, "no text tower"),
        ([], {}, "at least one method"),
        (["knn"], {"knn": {"neighbours": 3}}, "it has k, temperature, refit"),
        (["knn"], {"fine-tune": {"epochs": 3}}, "not among the methods"),
    ],
)
def test_bad_requests_are_one_sentence(
    methods: list[str], options: dict[str, dict[str, object]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        compare(methods, DATA, model=TinyBackbone(), seeds=1, options=options, cold=ColdPass(Store(tmp_path)))
    assert "\n" not in str(caught.value)


def test_methods_that_a_model_does_not_allow_are_left_out_and_said() -> None:
    assert [name for name in DEFAULT_METHODS if not unfit(name, tiny_clip())] == list(DEFAULT_METHODS)
    left = [name for name in DEFAULT_METHODS if unfit(name, tiny_classifier())]
    assert left == ["zero-shot", "pixel-prompt", "deep-prompt"]


def test_words_that_a_model_does_not_know_leave_zero_shot_out_and_teach_a_head() -> None:
    pocket = load_backbone("pocket", pretrained=False)
    assert unfit("zero-shot", pocket, ("cat", "dog")) == ""
    assert unfit("zero-shot", pocket, ("zero", "two", "cat")) == "does not know the word 'zero' and 1 more"
    head = Head("auto", pocket, "{}")
    assert head.kind(("cat", "dog")) == "text" and head.kind(("cat", "Dahlia")) == "linear"


def given(n: int = 12, classes: int = 3) -> Split:
    labels = np.arange(n, dtype=np.int64) % classes
    arrays = [np.full((8, 8, 3), 10 * row, np.uint8) for row in range(n)]
    return Split("test", Pictures(arrays), labels, tuple(f"c{k}" for k in range(classes)))


def test_the_surest_wrong_answers_of_the_mean_over_seeds_come_first_and_each_class_has_its_share() -> None:
    test = given(n=9)
    first = np.full((9, 3), 0.2, np.float32)
    first[np.arange(9), test.labels] = 0.6
    second = first.copy()
    for row, sure in ((0, 0.5), (3, 0.9), (6, 0.7), (1, 0.8), (4, 0.4)):
        first[row], second[row] = 0.05, 0.05
        first[row, 2], second[row, 2] = sure + 0.1, sure - 0.1
    found = hardest([first, second], test, most=4)
    assert [image.name for image in found] == ["picture 3", "picture 1", "picture 6", "picture 0"]
    assert [(image.true, image.predicted, round(image.probability, 6)) for image in found[:2]] == [
        ("c0", "c2", 0.9), ("c1", "c2", 0.8),
    ]  # fmt: skip
    with Image.open(io.BytesIO(found[0].png)) as picture:
        assert picture.size == (160, 160) and picture.getpixel((0, 0)) == (30, 30, 30)
    for most, rows in (({}, (1, 3, 4, 6, 0)), ({"each": 2}, (1, 3, 4, 6)), ({"each": 2, "most": 3}, (1, 3, 4))):
        assert [image.name for image in wrong([first, second], test, "", **most)] == [f"picture {row}" for row in rows]
    with Image.open(io.BytesIO(wrong([first, second], test, "")[0].png)) as picture:
        assert picture.format == "JPEG" and picture.size == (112, 112)


def test_a_prompt_is_shown_on_four_test_images_unless_its_start_was_kept() -> None:
    backbone = TinyBackbone(width=8)
    method = PixelPrompt(backbone, epochs=1, size=2)
    dataset = Dataset("d", given(), given(3), given(9))
    seen: list[int] = []

    def prompted(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(len(pixels))
        return torch.full((3, 16, 16), 0.25), pixels.float() / 255

    method.prompted = prompted  # type: ignore[method-assign, assignment]
    assert len(prompts("pixel-prompt", method, dataset)) == 5 and seen == [4]
    method.choices["epoch"] = 0
    assert len(prompts("pixel-prompt", method, dataset)) == 1
    method.choices["epoch"] = 1
    assert len(prompts("pixel-prompt", method, Dataset("d", given(), given(3), given(2, 2)))) == 3
    method.prompted = lambda pixels: None  # type: ignore[method-assign, assignment]
    assert prompts("pixel-prompt", method, dataset) == []


def case_of(*names: str, seeds: int = 2, **more: Any) -> Case:
    """Return a case as it could have been measured: every method with a row and probabilities a seed."""
    data = Dataset("d", given(), given(3), given(9), "drawn with seed 0", **more)
    case = Case(TinyBackbone(width=8), "folder:a/d", [data] * seeds, PassReport(12, 1.25, 3_400_000, 7, ("features", "block1")))
    generator = np.random.default_rng(0)
    for k, name in enumerate(names):
        case.fitted[name] = NearestNeighbours(case.backbone, k=k + 1)
        for seed in range(seeds):
            odds = generator.random((9, 3)).astype(np.float32)
            case.probabilities.setdefault(name, []).append(odds / odds.sum(1, keepdims=True))
            top1 = float((odds.argmax(1) == data.test.labels).mean())
            row = {"method": name, "model": "tiny:0", "data": "folder:a/d", "seed": seed, "split": "test", "n": 9, "top1": top1}
            case.rows.append(row | {"chosen_by": "validation images"})
    return case


def test_a_table_says_where_its_numbers_come_from(tmp_path: Path) -> None:
    cold = ColdPass(Store(tmp_path))
    case = case_of("a", "b")
    case.notes, case.skipped, case.cold.notes = ["n"], ["s"], ["c"]
    table = tabulate([case], "cmd", "cpu", cold, 0.02, "val", whole=True)
    about = table.about
    assert (about.data, about.train, about.val, about.test, about.margin) == ("d", 12, 3, 9, 0.02)
    assert about.splits == "drawn with seed 0; the other seeds to 1 draw theirs the same way"
    assert about.cold == "tiny:0: 12 images in 1.2 s, 3 MB stored (cuts features, block1)" and about.precision == "float32"
    assert table.notes[:3] == ["s", "c", "n"] and len(table.details) == 2 and list(about.settings) == ["a", "b"]
    assert len(table.comparisons) == 1 and len(table.hardest) > 0
    alone = tabulate([case_of("a", seeds=1)], "cmd", "cpu", cold, 0.02, "val", whole=True)
    assert alone.about.splits == "drawn with seed 0" and alone.comparisons == []
    case.cold.images = 0
    other = case_of("a")
    other.backbone = TinyBackbone(seed=1, width=8)
    for row in other.rows:
        row["model"] = "tiny:1"
    both = tabulate([case, other], "cmd", "cpu", ColdPass(Store(tmp_path), storage="bf16"), 0.02, "val", whole=True)
    stored = "tiny:0: all of 7 images were in the store already (cuts features, block1)"
    assert both.about.cold.startswith(f"{stored}; tiny:1: 12 images in ")
    assert list(both.about.settings) == ["a on tiny:0", "b on tiny:0", "a on tiny:1"]
    assert sum("stored in bf16" in note for note in both.notes) == 1 and len(both.comparisons) == 3


def test_methods_with_fewer_seeds_are_paired_by_those_that_all_have_where_a_budget_left_some_out(tmp_path: Path) -> None:
    case = case_of("a", "b", seeds=3)
    del case.probabilities["b"][1:]
    case.rows = case.rows[:4]
    cold = ColdPass(Store(tmp_path))
    whole, part = (tabulate([case], "cmd", "cpu", cold, 0.01, "val", whole=whole) for whole in (True, False))
    assert [detail.method for detail in whole.details] == ["a"] and not whole.comparisons
    assert [detail.method for detail in part.details] == ["a", "b"] and part.comparisons[0].seeds == 1
    skipped = case_of("a", seeds=1, skipped=tuple(f"{i}.png" for i in range(7)))
    notes = tabulate([skipped], "cmd", "cpu", cold, 0.01, "val", whole=True).notes
    assert any(note == "unreadable files left out: 7 (0.png, 1.png, 2.png, 3.png, 4.png)" for note in notes)


def test_folds_are_one_answer_to_all_images_and_forgetting_a_method_leaves_the_others(tmp_path: Path) -> None:
    case = case_of("a", "b")
    assert len(case.answers("a")) == 2 and case.tested() is case.datasets[0].test
    case.folds = True
    assert [each.shape for each in case.answers("a")] == [(18, 3)] and len(case.tested()) == 18
    fits = Fits(case, ColdPass(Store(tmp_path)), Watch(), None, "val")
    fits.kept = {(name, seed): (case.fitted[name], None) for name in "ab" for seed in (0, 1)}
    case.folders = {"a": tmp_path, "b": tmp_path}
    fits.forget("a")
    assert {row["method"] for row in case.rows} == set(case.fitted) == set(case.probabilities) == set(case.folders) == {"b"}
    assert list(fits.kept) == [("b", 0), ("b", 1)]


def test_refusals_before_anything_is_read(tmp_path: Path) -> None:
    for words, said in (
        ({"seeds": 0}, "at least one seed, found seeds=0"),
        ({"choose": "vale"}, "choose of val, loo, cv, found 'vale'"),
        ({"margin": 1.0}, r"a margin in \[0, 1\), found 1.0"), ({"margin": -0.1}, "found -0.1"),
        ({"folds": 2, "budget": 9.0}, "no budget beside folds"), ({"folds": 2, "noise": 0.1}, "no noise, corruptions"),
        ({"unlabelled": [tmp_path]}, "expected a transductive method"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            compare(["knn"], DATA, model=TinyBackbone(), unknown="none", cold=ColdPass(Store(tmp_path)), **words)  # type: ignore[arg-type]
    for unknown, words, said in (
        ("bundled", {"choose": "val", "noise": None}, ""), ("none", {}, ""), ("folder:x", {}, "no unknown images"),
        ("none", {"choose": "loo"}, "no choose"), ("none", {"folds": 3}, "no folds"),
    ):  # fmt: skip
        if said:
            with pytest.raises(InputError, match=said):
                _several_alone(unknown, **words)  # type: ignore[arg-type]
        else:
            assert _several_alone(unknown, **words) == "none"  # type: ignore[arg-type]


def test_every_nth_fit_is_run_and_kept_and_the_first_seed_is_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, cold, ran = TinyBackbone(width=8), ColdPass(Store(tmp_path / "store")), list[tuple[str, int]]()
    monkeypatch.setattr(Fits, "run", lambda self, method, name, seed, **_: ran.append((name, seed)) or seed < 2)
    methods = [NearestNeighbours(backbone, k=1), NearestNeighbours(backbone, k=2)]

    def part(i: int, n: int) -> list[tuple[str, int]]:
        ran.clear()
        table = compare(methods, DATA, seeds=3, unknown="none", cold=cold, only=(i, n), out=tmp_path / "out")
        assert not table.rows
        return list(ran)

    assert part(1, 2) == [("knn (k=1)", 0), ("knn (k=1)", 2), ("knn (k=2)", 1)]
    assert part(2, 2) == [("knn (k=1)", 1), ("knn (k=2)", 0), ("knn (k=2)", 2)] and part(0, 2) == []
    with pytest.raises(InputError, match="expected at least one method"):
        compare(methods, DATA, seeds=4, unknown="none", cold=cold)
    every = [(f"knn (k={k})", seed) for k in (1, 2) for seed in (0, 1, 2)]
    assert ran == every, "a fit that fails ends its method"


def test_a_row_of_a_fit_rounds_its_times_and_what_is_damaged_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, cold = LinearProbe(TinyBackbone(width=8), l2=1e-2), ColdPass(Store(tmp_path / "store"))
    times = iter([10.0, 11.23456789])
    monkeypatch.setattr("coldframe.verbs.fit.time", SimpleNamespace(perf_counter=lambda: next(times)))
    row, odds = fit_and_evaluate(method, DATA, data="d", seed=0, cold=cold, watch=Watch(), folder=tmp_path / "run", timed=False)
    assert row["train_seconds"] == 1.2346
    assert row["peak_memory_mb"] is None or row["peak_memory_mb"] == round(row["peak_memory_mb"], 1)
    assert (row["method"], row["seed"], row["data"], "latency_ms" in row) == ("linear-probe", 0, "d", False)
    other = LinearProbe(method.backbone, l2=1e-2)
    again, same = finished(other, DATA, tmp_path / "run")
    assert again["top1"] == row["top1"] and np.array_equal(same, odds)
    fewer = Dataset("colours", DATA.train, DATA.val, DATA.test.subset(np.arange(20)), "made here")
    with pytest.raises(FileError, match="expected probabilities of 20 images and 3 classes, found others; remove"):
        finished(other, fewer, tmp_path / "run")
