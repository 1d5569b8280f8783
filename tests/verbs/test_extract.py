"""What the verb extract takes as data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coldframe.cold.manifest import extracted
from coldframe.errors import ColdframeError, InputError
from coldframe.verbs.extract import _labelled, extract_data, shard_of, source_of


def pictures(folder: Path, count: int) -> Path:
    """Fill a folder with pictures of noise."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(count)
    for number in range(count):
        Image.fromarray(generator.integers(0, 256, (40, 48, 3), dtype=np.uint8)).save(folder / f"{number}.jpg")
    return folder


def test_labelled_and_loose_images(tmp_path: Path) -> None:
    loose = pictures(tmp_path / "loose", 3)
    for place in (str(loose), f"folder:{loose}", str(loose / "*.jpg"), str(loose / "0.jpg")):
        found = source_of(place)
        assert len(found.images) == (1 if place.endswith("0.jpg") else 3)
        assert found.labels is None and found.line(0, "d") == (0, str(loose / "0.jpg"), "", "", "", "d")
    for name in ("rose", "tulip"):
        pictures(tmp_path / "flowers" / name, 10)
    found = source_of(str(tmp_path / "flowers"))
    assert found.labels is not None and len(found.labels) == 20 == sum(count for _, count in found.splits)
    assert [name for name, _ in found.splits] == ["train", "val", "test"]
    (tmp_path / "empty").mkdir()
    for nothing, words in (("empty", "found none in it"), ("absent", "or a path on this"), ("absent/*.png", "found nothing")):
        with pytest.raises(ColdframeError, match=words) as caught:
            source_of(str(tmp_path / nothing))
        assert "\n" not in str(caught.value)


def test_choices_and_tables_are_no_globs_and_metadata_is_read(tmp_path: Path) -> None:
    """A ``?`` was once taken for a glob's, and metadata beside loose images for nothing."""
    loose = pictures(tmp_path / "photos", 12)
    rows = [(f"{number}.jpg", ("rose", "tulip")[number % 2], 50 + number) for number in range(12)]
    (tmp_path / "a.csv").write_text("".join(f"{','.join(map(str, row))}\n" for row in [("file", "kind", "age"), *rows]))
    found = source_of(f"csv:{tmp_path / 'a.csv'}?label=kind")
    assert found.labels is not None and found.classes == ("rose", "tulip") and len(found.images) == 12
    (loose / "metadata.csv").write_text("".join(f"{name},{kind}\n" for name, kind, _ in [("file_name", "label", 0), *rows]))
    found = source_of(f"folder:{loose}")
    assert found.classes == ("rose", "tulip") and sum(count for _, count in found.splits) == 12
    assert len(source_of(str(loose / "?.jpg")).images) == 10


def test_features_of_a_real_architecture(tmp_path: Path) -> None:
    pictures(tmp_path / "loose", 5)
    manifest = extract_data(
        "timm:test_resnet/random", str(tmp_path / "loose"), tmp_path / "out", layers=["features", "block2"], normalised=True
    )
    assert manifest["command"].startswith("coldframe") and manifest["weights"] == "random"
    found = extracted(tmp_path / "out")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    assert found.shape[0] == 5 == len(extracted(tmp_path / "out", "block2")) and not (tmp_path / "out" / "labels.npy").exists()


@pytest.mark.parametrize("text", ["", "3", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_shards_are_written_i_of_n(text: str) -> None:
    assert shard_of("2/4") == (2, 4)
    with pytest.raises(InputError, match="such as 2/4, found"):
        shard_of(text)


def test_what_is_loose_and_what_is_a_choice(tmp_path: Path) -> None:
    assert all(_labelled(text) for text in ("csv:a.csv", "a.csv?label=x", "folder:a?label=x"))
    assert not any(_labelled(text) for text in ("a?.png", "folder:a?.png", "x:a", "a?=b"))
    assert shard_of("1/1") == (1, 1) and shard_of(f"1/{'9' * 37}")[0] == 1
    for text in (f"1/{'9' * 38}", "1/", "²/3", "/1"):
        with pytest.raises(InputError, match="1 <= i <= n, such as 2/4"):
            shard_of(text)
    loose = pictures(tmp_path / "loose", 3)
    for shard in ("1/3", "3/3"):
        assert extract_data("timm:test_resnet/random", str(loose), tmp_path / "out", shard=shard)["n"] == 1
    with pytest.raises(InputError, match="1 <= i <= n <= 3 images, found 1/4; ask for fewer"):
        extract_data("timm:test_resnet/random", str(loose), tmp_path / "more", shard="1/4")
    with pytest.raises(InputError, match="batch size of 1 or more, found 0"):
        extract_data("timm:test_resnet/random", str(loose), tmp_path / "more", batch_size=0)
    assert extract_data("timm:test_resnet/random", str(loose), tmp_path / "one", batch_size=1)["n"] == 3
