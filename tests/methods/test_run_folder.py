"""The folder of a saved run: what is found instead is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from coldframe.errors import InputError
from coldframe.methods.run_folder import means_run, run_folder, saved_runs


def saved(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "adaptation.json").write_text("{}")
    return folder


def test_what_is_there_instead_is_named(tmp_path: Path) -> None:
    run = saved(tmp_path / "flowers")
    assert run_folder(str(run)) == run
    for path, says in (
        (tmp_path / "flowres", "found nothing at .*flowres; did you mean 'flowers'"),
        (tmp_path / "zzz" / "x", "found nothing at .*zzz/x; check the path"),
        (run / "adaptation.json", "found a file at .*adaptation.json"),
        (tmp_path / ("x" * 300), "found nothing at"),
    ):
        with pytest.raises(InputError, match=says):
            run_folder(path)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match=r"found no adaptation.json in .*other"):
        run_folder(tmp_path / "other")


def test_a_folder_of_a_comparison_names_the_fits_inside(tmp_path: Path) -> None:
    one = [saved(tmp_path / "one" / "fits" / name) for name in ("a", "b", "c", "d")]
    two = saved(tmp_path / "two" / "mini-cifar10" / "fits" / "e")
    with pytest.raises(InputError, match=f"holds 4 of them .*: {one[0]}, {one[1]}, {one[2]} and 1 more"):
        run_folder(tmp_path / "one")
    with pytest.raises(InputError, match=f"holds 1 of them .*: {two}$"):
        run_folder(tmp_path / "two")
    assert saved_runs(tmp_path / "one") == one


def test_a_text_means_a_run_where_it_is_one_or_is_written_like_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "probe")
    (tmp_path / "pocket").mkdir()
    assert means_run("probe") and means_run("runs/missing") and means_run(Path("pocket"))
    for name in ("pocket", "lite0", "open_clip:ViT-B-32/openai", "lite0@weights/mine.safetensors", "timm:resnet18"):
        assert not means_run(name), name
