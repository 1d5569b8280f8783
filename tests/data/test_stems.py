"""Names and cameras that tell what belongs together, and names that only tell the class."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from coldframe.data.stems import leaking, stem_of, taken


def test_stems() -> None:
    for name, expected in (
        ("a/video12_frame003.jpg", "video12"), ("p7-slice-20.png", "p7"), ("0001.jpg", ""), ("IMG1234.jpg", ""),
        ("plate3_well 4.tif", "plate3_well"), ("x (1).png", "x"),
    ):  # fmt: skip
        assert stem_of(name) == expected, name


def test_names_of_classes_are_no_groups() -> None:
    keys = ["rose"] * 6 + ["lily"] * 6
    splits = ["train", "train", "test"] * 4
    assert leaking(keys, splits, [0] * 6 + [1] * 6) == {}
    patients = ["p1", "p2", "p3"] * 4
    assert leaking(patients, ["train"] * 9 + ["test"] * 3, [0, 1] * 6) == {"p1": 1, "p2": 1, "p3": 1}
    assert leaking(["p1"] * 3 + ["p2"] * 3, ["train"] * 3 + ["test"] * 3, [0, 1] * 3) == {}
    # Only four of ten pictures carry a minute: that is a visit, not the name of the class.
    assert leaking(["10:00"] * 4 + [""] * 6, ["train", "test"] * 5, [0] * 10) == {"10:00": 2}


def test_the_minute_of_a_camera(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 4))
    told = image.getexif()
    told[272], told[306] = "Box 5", "2026:01:02 10:11:12"
    image.save(tmp_path / "a.jpg", exif=told)
    image.save(tmp_path / "b.jpg")
    assert taken(str(tmp_path / "a.jpg")) == "Box 5 2026:01:02 10:11" and taken(str(tmp_path / "b.jpg")) == ""
    assert taken("row 3") == ""
    told.get_ifd(0x8769)[36867] = "2025:12:31 23:59:58"  # when it was taken counts before when the file was changed
    image.save(tmp_path / "c.jpg", exif=told)
    assert taken(str(tmp_path / "c.jpg")) == "Box 5 2025:12:31 23:59"
