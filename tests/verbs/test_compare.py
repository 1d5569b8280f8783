"""The main job on a tiny network: one cold pass for all methods, a table that adds up, and a comparison that resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from fakes import Pictures, TinyBackbone, tiny_classifier, tiny_clip

from coldframe.backbones import load_backbone
from coldframe.cold import ColdPass, PassReport, Store
from coldframe.data.base import Dataset, Split
from coldframe.errors import InputError
from coldframe.methods.fine_tune import FineTune
from coldframe.methods.heads import Head
from coldframe.methods.knn import NearestNeighbours
from coldframe.methods.linear_probe import LinearProbe
from coldframe.report import save_report
from coldframe.types import Precision
from coldframe.verbs.choose import DEFAULT_METHODS, label, unfit
from coldframe.verbs.compare import compare
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
