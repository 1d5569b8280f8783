"""Image files by paths, folders and globs: what is found, what ends a search, what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from coldframe.data.places import find_files, left_out, readable, unlabelled
from coldframe.errors import DataError, InputError


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a tree of six pictures, two of them hidden, a note, and a link that leads up again."""
    for name in ("a.png", "b.jpg", "cats/c.png", "cats/old/d.PNG", ".hidden/e.png", "cats/.f.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "cats" / "up").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (".", ["a.png", "b.jpg", "cats/c.png", "cats/old/d.PNG"]),
        ("**", ["a.png", "b.jpg", "cats/c.png", "cats/old/d.PNG"]),
        ("**/*.png", ["a.png", "cats/c.png"]),
        ("*", ["a.png", "b.jpg"]),
        ("cats/*", ["cats/c.png"]),
        ("c*/**/*", ["cats/c.png", "cats/old/d.PNG"]),
        ("[ab].*", ["a.png", "b.jpg"]),
        ("?.jpg", ["b.jpg"]),
        ("notes.txt", ["notes.txt"]),
        (".hidden/*", [".hidden/e.png"]),
        ("cats/../a.*", ["cats/../a.png"]),
    ],
)
def test_places(tree: Path, place: str, expected: list[str]) -> None:
    assert [path.as_posix() for path in find_files([place])] == expected
    assert [path.as_posix() for path in find_files([f"{tree}/{place}"])] == [(tree / name).as_posix() for name in expected]


def test_a_search_ends_and_says_how_far_it_is(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"expected at most 3 image files at \*\*, found more"):
        find_files(["**"], most=3)
    with pytest.raises(InputError, match="expected at most 4 files and folders"):
        find_files(["**"], most_entries=4)
    assert len(find_files(["**"], most=4)) == 4 and len(find_files(["cats/*", "[ab].*"], most=3)) == 3
    with pytest.raises(InputError, match="expected at most 2 image files"):
        find_files(["cats/*", "[ab].*"], most=2)
    entries: list[tuple[int, int]] = []
    monkeypatch.setattr("coldframe.data.places._EVERY", 1)
    find_files(["**"], seen=lambda looked, found: entries.append((looked, found)))
    assert [looked for looked, _ in entries] == list(range(1, len(entries) + 1)) and entries[-1] == (10, 4)
    assert len(find_files(["**"], most_entries=10)) == 4
    with pytest.raises(InputError, match=r"expected at most 9 files and folders at \*\*, found more after \d images"):
        find_files(["**"], most_entries=9)
    monkeypatch.setattr("coldframe.data.places._EVERY", 2)
    said: list[tuple[int, int]] = []
    find_files(["**"], seen=lambda looked, found: said.append((looked, found)))
    assert said[0][0] == 2 and len(said) > 2 and said[-1][1] == 4


def test_nothing_found_is_said(tree: Path) -> None:
    for place, what in (("*.gif", "no image"), ("nowhere", "nothing"), ("nowhere/*.png", "nothing")):
        with pytest.raises(DataError, match=f"found {what}; check the path"):
            find_files([place])


def test_what_cannot_be_read_is_left_out_by_reason_or_stops_before_any_work(tree: Path) -> None:
    (tree / "bad.jpg").write_text("text")
    Image.effect_noise((60, 60), 50).save(tree / "cut.png")
    (tree / "cut.png").write_bytes((tree / "cut.png").read_bytes()[:900])
    files = [Path(name) for name in ("bad.jpg", "a.png", "cut.png", "gone.png", "b.jpg")]
    kept, left = readable(files, "skip")
    assert [str(path) for path in kept] == ["a.png", "b.jpg"]
    assert left == {"bad.jpg": "not an image", "cut.png": "damaged or truncated", "gone.png": "missing"}
    assert left_out({}) == "" and left_out({"a": "missing"}) == "left out 1 file: 1 missing"
    assert left_out(left) == "left out 3 files: 1 not an image, 1 damaged or truncated, 1 missing"
    with pytest.raises(DataError, match=r"cannot decode bad\.jpg"):
        readable(files)
    with pytest.raises(DataError, match="among 1 files that can be used, found none"):
        readable(files[:1], "skip")
    with pytest.raises(InputError, match="unknown on_error 'skp'"):
        readable(files, "skp")  # type: ignore[arg-type]


def test_a_folder_of_pictures_and_no_folders_has_no_classes(tmp_path: Path) -> None:
    for name in ("a.png", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    assert unlabelled(f"folder:{tmp_path}") == unlabelled(str(tmp_path)) == tmp_path
    assert unlabelled(f"folder:{tmp_path}?shots=3") is unlabelled(f"folder:{tmp_path}/none") is None
    (tmp_path / "metadata.csv").write_text("a table names the classes")
    assert unlabelled(str(tmp_path)) is None
    (tmp_path / "metadata.csv").unlink()
    (tmp_path / "cats").mkdir()
    assert unlabelled(str(tmp_path)) is None
