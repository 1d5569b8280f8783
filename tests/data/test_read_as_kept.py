"""What every reader of files makes of some hundred small folders, tables and archives, kept line by line."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn import same_text
from readings import png, read, write

Case = tuple[str, dict[str, str | bytes], list[str]]
BOTH = "cat/{1..5}.png dog/{1..5}.png"
LAYOUTS: list[Case] = [
    (BOTH, {}, ["folder:ROOT", "folder:ROOT?level=1", "folder:ROOT?level=2", "folder:ROOT?level=5", "folder:ROOT?links=no",
                "folder:ROOT?ending=jpg", "folder:ROOT?ending=.PNG", "folder:ROOT/ca", "folder:ROOT/cat/1.png",
                "folder:ROOT/no/where", "folder:ROOT?lvel=1", "folder:ROOT?level="]),
    (f"{BOTH} x.png y.png", {}, ["folder:ROOT"]),
    (f"deep/more/{BOTH.replace(' ', ' deep/more/')}", {}, ["folder:ROOT"]),
    ("deep/cat/{1..5}.png deep/dog/{1..5}.png deep/1.png", {}, ["folder:ROOT"]),
    ("one/cat/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/{1..5}.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png train/1.png test/cat/1.png test/dog/1.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png test/cat/1.png test/1.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png train/1.png test/cat/1.png test/dog/2.png test/{1..3}.png", {},
     ["folder:ROOT"]),
    ("train/cat/{1..5}.png train/dog/{1..5}.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..5}.png train/dog/{1..5}.png Training/cat/1.png Training/dog/1.png", {}, ["folder:ROOT"]),
    ("test/{1..3}.png val/{1..3}.png cat/{1..4}.png", {}, ["folder:ROOT"]),
    ("test/{1..3}.png cat/{1..4}.png", {}, ["folder:ROOT"]),
    ("unlabeled/{1..3}.png cat/{1..4}.png", {}, ["folder:ROOT"]),
    ("unlabeled/{1..3}.png cat/{1..4}.png dog/{1..4}.png", {}, ["folder:ROOT"]),
    ("test/a/{1..3}.png test/b/{1..3}.png", {}, ["folder:ROOT"]),
    ("test/a/{1..3}.png val/b/{1..3}.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png test/cat/1.png test/dog/1.png more/{1..3}.png pred/x/1.png pred/y/1.png", {},
     ["folder:ROOT"]),
    ("seg_train/seg_train/cat/{1..3}.png seg_train/seg_train/dog/{1..3}.png seg_test/seg_test/cat/1.png", {}, ["folder:ROOT"]),
    ("train/train/cat/{1..5}.png train/train/dog/{1..5}.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png test/unknown/{1..3}.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/unknown/{1..3}.png test/unknown/{1..3}.png", {}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png val/dog/{1..3}.png val/cow/1.png", {}, ["folder:ROOT"]),
    ("train/{1..4}.png test/{1..4}.png", {"labels.csv": "x"}, ["folder:ROOT"]),
    ("train/{1..4}.png test/{1..4}.png", {"train/b.csv": "x", "train/c.csv": "x", "labels.csv": "x"}, ["folder:ROOT"]),
    ("train/{1..4}.png test/{1..4}.png", {}, ["folder:ROOT"]),
    ("images/cat/{1..4}.png images/dog/{1..4}.png about/1.png", {}, ["folder:ROOT"]),
    ("pets/cat/{1..4}.png pets/dog/{1..4}.png about/{1..4}.png", {}, ["folder:ROOT"]),
    ("{1..4}.png", {}, ["folder:ROOT"]),
    ("{1..4}.png", {"b.csv": "x", "a.csv": "x"}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png test/{1..4}.png", {"b.csv": "x"}, ["folder:ROOT/test"]),
    ("a/b/", {}, ["folder:ROOT"]),
    ("", {"a.heic": "", "b.svs": "", "c": "", "d.npy": "", "e.zip": "", ".f.png": "", "__g.png": ""}, ["folder:ROOT"]),
    (f"{BOTH} cow/", {}, ["folder:ROOT"]),
    (f"{BOTH} cow/", {"a.dcm": "", "b.dcm": ""}, ["folder:ROOT"]),
    ("train/cat/{1..3}.png train/dog/{1..3}.png test/dog/1.png test/cat/ test/a/ test/b/ test/c/", {}, ["folder:ROOT"]),
    ("cat/photos/{1..5}.png cat/masks/{1..5}.png dog/photos/{1..5}.png dog/masks/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/photos/{1..5}.png cat/rest/{1..5}.png dog/photos/{1..5}.png dog/rest/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/photos/{1..5}.png cat/images/{1..5}.png dog/photos/{1..5}.png dog/images/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/photos/{1..5}.png cat/masks/{1..5}.png dog/photos/{1..5}.png dog/depth/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/a/{1..5}.png cat/b/{1..5}.png cat/1.png dog/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/a/{1..5}.png cat/b/{1..5}.png dog/{1..5}.png", {}, ["folder:ROOT", "folder:ROOT?level=2"]),
    ("cat/a/{1..5}.png dog/b/{1..5}.png", {}, ["folder:ROOT", "folder:ROOT?level=2", "folder:ROOT?level=3"]),
    ("x/a/1.png x/b/1.png x/c/1.png x/d/1.png y/a/1.png y/b/1.png y/c/1.png y/d/1.png z/a/1.png z/b/1.png z/c/1.png "
     "z/d/1.png w/a/1.png w/b/1.png w/c/1.png w/d/1.png", {}, ["folder:ROOT"]),
    ("x/a/1.png x/b/1.png y/b/1.png y/c/1.png", {}, ["folder:ROOT"]),
    ("x/a/1.png x/b/1.png y/c/1.png y/d/1.png", {}, ["folder:ROOT"]),
    ("x/a/1.png x/b/1.png y/b/1.png y/c/1.png z/1.png", {}, ["folder:ROOT"]),
    ("x/a/1.png x/b/1.png y/a/1.png y/b/1.png z/{1..3}.png", {}, ["folder:ROOT"]),
    ("cat/{1..5}.png cat/1_mask.png cat/2_mask.png cat/red_mask.png dog/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/{1..10}.png cat/1.jpg dog/{1..5}.png", {}, ["folder:ROOT"]),
    ("cat/{1..9}.png cat/1.jpg dog/{1..5}.png", {}, ["folder:ROOT", "folder:ROOT?ending=jpg"]),
    ("cat_1.png cat_2.png cat_3.png dog_1.png dog_2.png dog_3.png", {},
     ["folder:ROOT?pattern={class}_*", "folder:ROOT?pattern={class}-*", "folder:ROOT?pattern=x", "folder:ROOT?pattern={clas}"]),
    ("train/cat_a1.png train/cat_a2.png train/dog_b3.png train/dog_c3.png test/dog_d1.png test/cat_e1.png", {},
     ["folder:ROOT?pattern={class}_*", "folder:ROOT?pattern={class}_{*}&group={group}.png"]),
    ("train/cat_1.png train/dog_2.png dog_3.png", {}, ["folder:ROOT?pattern={class}_*"]),
    ("", {}, ["folder:ROOT?pattern={class}_*"]),
    ("cat/a_{1..4}.png cat/b_{1..4}.png cat/c_{1..4}.png dog/a_{1..4}.png dog/d_{1..4}.png dog/e_{1..4}.png", {},
     ["folder:ROOT?group={group}_*"]),
    ("a/1.png a/2.png a/3.png b/4.png b/5.png b/6.png", {"b/3.png": png(2)},
     ["folder:ROOT?targets=several", "folder:ROOT?targets=ranks"]),
    ("a/1.png a/2.png a/3.png b/4.png b/5.png b/1.png", {}, ["folder:ROOT?targets=several"]),
    ("1/{1..5}.png 3/{1..5}.png 10/{1..5}.png", {"labels.csv": "a"}, ["folder:ROOT", "folder:ROOT?targets=ranks"]),
]  # fmt: skip
TABLE = "a1.png,cat\na2.png,cat\na3.png,cat\nb1.png,dog\nb2.png,dog\nb3.png,dog\n"
SIX = "a{1..3}.png b{1..3}.png"
WAYS = "a1.png,cat,x,train\na2.png,cat,x,val\na3.png,cat,y,test\nb1.png,dog,y,train\nb2.png,dog,z,val\nb3.png,dog,w,test\n"
MANY = "file,cat,dog\na1.png,1,0\na2.png,1,1\na3.png,0,1\nb1.png,0,1\nb2.png,1,0\nb3.png,{}\n"
BARS = "file,label\na1.png,cat|dog\na2.png,cat\na3.png,dog\nb1.png,dog\nb2.png,cat\nb3.png,cat | cow |\n"
TABLES: list[Case] = [
    (SIX, {"t.csv": TABLE}, ["csv:ROOT/t.csv", "ROOT/t.csv", "csv:ROOT/s.csv", "csv:ROOT/no/s.csv", "csv:ROOT/t.csv?label=1",
                             "csv:ROOT/t.csv?image=2", "csv:ROOT/t.csv?image=7", "csv:ROOT/t.csv?group=9",
                             "csv:ROOT/t.csv?split=2", "csv:ROOT/t.csv?split=5", "csv:ROOT/t.csv?label=5"]),
    (SIX, {"t.csv": f"file;{TABLE}".replace(",", ";").replace("file;", "file;label\n")}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": f"id,kind,of,split\n{WAYS}"},
     ["csv:ROOT/t.csv", "csv:ROOT/t.csv?label=of", "csv:ROOT/t.csv?label=kind&group=of", "csv:ROOT/t.csv?targets=several"]),
    (SIX, {"t.csv": WAYS}, ["csv:ROOT/t.csv?label=2", "csv:ROOT/t.csv?label=3&split=4"]),
    (SIX, {"t.csv": f"id,class,group_id,set\n{WAYS}"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": f"id,class,class,set\n{WAYS}"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": f"id,class,label,set\n{WAYS.replace('x', 'c').replace('y', 'd')}"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": WAYS.replace("train", "learn")}, ["csv:ROOT/t.csv?label=2", "csv:ROOT/t.csv?label=2&split=4"]),
    (SIX, {"t.csv": f"{TABLE}b3.png,dog\n\nb4.png,dog\nb5.png,cat\n"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": f"{TABLE}b3.png,cat\n"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": f"id,kind,of,split\n{WAYS}b3.png,dog,w,val\n"}, ["csv:ROOT/t.csv?label=kind"]),
    (SIX, {"t.csv": f"{TABLE}b4.png\n"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": ""}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": "x" * 90 + ",y\n"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": "a1.png\nb1.png\n"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": "a1.png,b1.png\na2.png,b2.png\n"}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": MANY.format("0,1")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=classes", "csv:ROOT/t.csv?label=cat,dog",
                                          "csv:ROOT/t.csv?label=cat,cow", "csv:ROOT/t.csv?label=cat"]),
    (SIX, {"t.csv": MANY.format("0,1").replace("1,1", "True,0.0")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=several"]),
    (SIX, {"t.csv": MANY.format("0,2")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?label=cat,dog"]),
    (SIX, {"t.csv": BARS}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=classes", "csv:ROOT/t.csv?separator=,",
                            "csv:ROOT/t.csv?targets=some", "csv:ROOT/t.csv?targets=several&targets=ranks"]),
    (SIX, {"t.csv": BARS.replace("|", " ").replace("cat", "'cat'")}, ["csv:ROOT/t.csv?separator=space"]),
    (SIX, {"t.csv": BARS.replace("|", ";")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=several"]),
    (SIX, {"t.csv": TABLE.replace("cat", '"[""cat"", ""x""]"').replace("dog", "[1]")}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.csv": TABLE.replace("cat", "[7]").replace("dog", "['1']")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=several"]),
    (SIX, {"t.csv": TABLE.replace("cat", "1.0").replace("dog", "02")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=ranks"]),
    (SIX, {"t.csv": TABLE.replace("a1.png,cat", "a1.png,1.5")}, ["csv:ROOT/t.csv", "csv:ROOT/t.csv?targets=ranks"]),
    (SIX, {"t.csv": "".join(f"{n}.png,{v}\n" for n, v in zip(("a1", "a2", "a3", "b1", "b2", "b3"), (2.5, 2.5, 2.5, -1, -1, -1),
                                                            strict=True))}, ["csv:ROOT/t.csv?targets=ranks"]),
    (SIX, {"t.csv": f"id,kind,of,split\n{WAYS.replace('a3.png,cat', 'a3.png,').replace('b3.png,dog', 'b3.png,')}"},
     ["csv:ROOT/t.csv?label=kind"]),
    (SIX, {"t.csv": f"id,kind,of,split\n{WAYS.replace('a3.png,cat', 'a3.png,')}"}, ["csv:ROOT/t.csv?label=kind"]),
    ("in/a{1..3}.png in/b{1..3}.png out/a{1..3}.png", {"t.csv": TABLE},
     ["csv:ROOT/t.csv", "csv:ROOT/t.csv?root=ROOT/out", "csv:ROOT/t.csv?root=ROOT/none"]),
    ("in/a{1..3}.png in/b{1..3}.png out/a{1..3}.png out/b{1..3}.png", {"t.csv": TABLE}, ["csv:ROOT/t.csv"]),
    (f"{SIX} a1.jpg", {"t.csv": TABLE.replace(".png", "")}, ["csv:ROOT/t.csv"]),
    (SIX, {"t.jsonl": "\n".join(json.dumps({"file": name, "label": [label]}) for name, label in
                                (row.split(",") for row in TABLE.split())) + "\n\n"}, ["csv:ROOT/t.jsonl"]),
    (SIX, {"t.jsonl": '{"file": "a1.png", "label": {"a": 1}}\n\n[1]\n'}, ["csv:ROOT/t.jsonl"]),
    (SIX, {"t.jsonl": '{"file": "a1.png", "label": {"a": 1}}\n{"file"\n'}, ["csv:ROOT/t.jsonl"]),
    (SIX, {"t.jsonl": "\n"}, ["csv:ROOT/t.jsonl"]),
    (SIX, {"t.jsonl": '{"file": "a1.png", "label": 1}\n{"file": "z.png", "label": 2}\n'}, ["csv:ROOT/t.jsonl"]),
    (SIX, {"metadata.csv": f"file_name,label\n{TABLE}"}, ["folder:ROOT", "folder:ROOT?label=folders",
                                                               "folder:ROOT?label=kind"]),
    (f"{SIX} c{{1..3}}.png", {"metadata.csv": f"file_name,text\n{TABLE}"}, ["folder:ROOT"]),
    (SIX, {"metadata.csv": f"name,label\n{TABLE}"}, ["folder:ROOT", "folder:ROOT?label=label"]),
    ("cat/{1..4}.png dog/{1..4}.png", {"metadata.csv": "file_name,text\n" + "".join(
        f"{k}/{n}.png,{k}{n % 2}\n" for k in ("cat", "dog") for n in range(1, 5))}, ["folder:ROOT", "folder:ROOT?label=text"]),
    ("cat/{1..4}.png dog/{1..4}.png", {"metadata.csv": "file_name,text\n" + "".join(
        f"{k}/{n}.png,{k}{n % 3}\n" for k in ("cat", "dog") for n in range(1, 5))}, ["folder:ROOT"]),
    ("train/a{1..3}.png test/b{1..3}.png", {
        "train/metadata.csv": "file_name,label,group\na1.png,x,1\na2.png,y,2\na3.png,y,3\n",
        "test/metadata.csv": "file_name,label,group\nb1.png,x,4\nb2.png,y,4\nb3.png,x,3\n"}, ["folder:ROOT"]),
    ("train/a{1..3}.png b{1..3}.png", {
        "train/metadata.csv": "file_name,label\na1.png,x\na2.png,y\na3.png,y\n",
        "metadata.csv": "file_name,label\nb1.png,x\nb2.png,y\nb3.png,x\n"}, ["folder:ROOT"]),
    ("train/a{1..3}.png test/b{1..3}.png", {"train/_classes.csv": "filename, cat, dog\na1.png,1,0\na2.png,0,1\na3.png,1,1\n",
                                            "test/_classes.csv": "filename, cat, dog\nb1.png,1,0\nb2.png,0,1\nb3.png,0,0\n"},
     ["folder:ROOT"]),
]  # fmt: skip
SPLITS = json.dumps({"train": [["a1.png", 0, "cat"], ["b1.png", 1, "dog"]], "val": [["a2.png", 0, "cat"], ["b2.png", 1, "dog"]],
                     "test": [["a3.png", 0, "cat"], ["b3.png", 1, "dog"], ["b3.png", 1, "dog"]]})  # fmt: skip
COCO: dict[str, Any] = {
    "images": [{"id": n, "file_name": name} for n, name in enumerate(f"{a}{k}.png" for a in "ab" for k in (1, 2, 3))],
    "annotations": [{"image_id": n, "category_id": 5 if n < 3 else 2} for n in (0, 0, 1, 2, 3, 4, 5)],
    "categories": [{"id": 5, "name": "cat"}, {"id": 2, "name": "dog"}],
}  # fmt: skip


def coco(**changed: Any) -> str:
    return json.dumps(COCO | changed)


LISTS: list[Case] = [
    (SIX, {"s.json": SPLITS}, ["json:ROOT/s.json", "json:ROOT/t.json", "json:ROOT/s.json?root=ROOT/x"]),
    (SIX, {"s.json": SPLITS.replace('"b2.png", 1, "dog"', '"b2.png", 1, "hen"')}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": SPLITS.replace("b2.png", "b9.png")}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": SPLITS.replace("val", "rest")}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": "{}"}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": '{"train": [["a1.png", "x", "cat"]]}'}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": coco()}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": coco(info={"year": 2026}, annotations=[one | {"bbox": [0, 0, 1, 1]} for one in COCO["annotations"]])},
     ["json:ROOT/s.json"]),
    (SIX, {"s.json": coco(categories=[{"id": 5, "name": "cat"}])}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": coco(annotations=COCO["annotations"][:-1])}, ["json:ROOT/s.json"]),
    (SIX, {"s.json": coco(annotations=[*COCO["annotations"], {"image_id": 1, "category_id": 2}])}, ["json:ROOT/s.json"]),
    ("x/a{1..3}.png x/b{1..3}.png y/a1.png", {"s.json": coco()}, ["json:ROOT/s.json", "json:ROOT/s.json?root=ROOT/x"]),
]  # fmt: skip


def kept(name: str, cases: list[Case], root: Path) -> None:
    lines: list[str] = []
    for images, texts, specs in cases:
        write(root, images, texts)
        lines += [f"= {images} {' '.join(texts)}".strip(), *(line for spec in specs for line in read(root, spec))]
    same_text(__file__, name, "\n".join(lines) + "\n")


@pytest.mark.parametrize(("name", "cases"), [("folders", LAYOUTS), ("tables", TABLES), ("lists", LISTS)])
def test_every_text_and_folder_is_read_as_before(name: str, cases: list[Case], tmp_path: Path) -> None:
    kept(f"read_{name}", cases, tmp_path / "a")


def test_options_of_reading_choose_as_before(tmp_path: Path) -> None:
    root = tmp_path / "a"
    write(root, "cat/{1..9}.png dog/{1..7}.png hen/{1..3}.png", {"cat/0.png": b"no picture", "hen/9.png": b""})
    lines: list[str] = []
    ways: list[dict[str, Any]] = [
        {}, {"shots": 1}, {"shots": 2, "seed": 1}, {"shots": 5}, {"val": 0.5}, {"val": 0.01}, {"val": 3}, {"whole": True},
        {"classes": ["c", "d", "h"]}, {"classes": ["c", "d"]}, {"classes": ["c", "d", "c"]}, {"shots": 0}, {"val": 1.0},
        {"val": 0}, {"seed": -1},
    ]  # fmt: skip
    for way in ways:
        lines += read(root, "folder:ROOT", on_error="skip", **way)
    lines += read(root, "folder:ROOT", whole=True)
    write(root, "test/cat/{1..2}.png val/dog/1.png val/cat/1.png")
    lines += read(root, "folder:ROOT", whole=True)
    write(root, SIX, {"s.json": SPLITS.replace("b2.png", "b9.png"), "t.csv": TABLE + "b9.png,dog\n"})
    lines += read(root, "json:ROOT/s.json", on_error="skip") + read(root, "csv:ROOT/t.csv", on_error="skip")
    write(root, "train/a/{1..15}.png train/b/{1..2}.png test/a/{1..2}.png test/b/1.png")
    lines += [line for val in (1, 5, 16, 17, 18) for line in read(root, "folder:ROOT", val=val)]
    lines += read(root, "folder:ROOT+folder:ROOT") + read(root, "folder:ROOT/train+folder:ROOT/test", whole=True)
    write(root, " ".join(f"{name}/{{1..{4 if name < 'h' else 9}}}.png" for name in "abcdefgh"))
    lines += read(root, "folder:ROOT", shots=3) + read(root, "folder:ROOT", classes=list("ABCDEFGH"))
    same_text(__file__, "read_options", "\n".join(lines) + "\n")


def tar(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return held.getvalue()


def samples(first: int, ending: str = "cls", label: str = "{}", n: int = 6) -> dict[str, bytes]:
    return {name: content for at in range(first, first + n)
            for name, content in ((f"s{at}.png", png(at)), (f"s{at}.{ending}", label.format(at % 2).encode()))}  # fmt: skip


def shards() -> Iterator[tuple[dict[str, str | bytes], list[str]]]:
    one, two = tar(samples(0)), tar(samples(10, "json", '{{"label": "{}"}}'))
    yield {"a-00.tar": one, "a-01.tar": tar(samples(6))}, [
        "wds:ROOT/a-{00..01}.tar", "wds:ROOT", "wds:ROOT/a-0*.tar", "wds:ROOT/b*.tar", "wds:ROOT/a-{00..02}.tar",
        "wds:ROOT/a-{0..100001}.tar", "ROOT/a-00.tar"]  # fmt: skip
    yield {"train-0.tar": one, "test-0.tar": two}, ["wds:ROOT"]
    yield {"train/0.tar": one, "val/0.tar": two}, ["wds:ROOT/*/0.tar"]
    yield {"train-0.tar": one, "rest-0.tar": two}, ["wds:ROOT"]
    yield {"a.tar": one, "classes.txt": "cat\n\ndog\n"}, ["wds:ROOT/a.tar"]
    yield {"a.tar": one, "classnames.txt": "cat\n"}, ["wds:ROOT/a.tar"]
    yield {"a.tar": tar(samples(0, "txt", " kind {} \n")), "classes.txt": "cat\ndog\n"}, ["wds:ROOT/a.tar"]
    yield {"a.tar": tar(samples(0) | {"s9.png": png(9)})}, ["wds:ROOT/a.tar"]
    yield {"a.tar": tar(samples(0) | {"s1.jpg": png(9)})}, ["wds:ROOT/a.tar"]
    yield {"a.tar": tar(samples(0) | samples(0, "txt", "x") | {".s1.cls": b"7", "s2.json": b'{"cls": 3}'})}, ["wds:ROOT/a.tar"]
    yield {"a.tar": tar(samples(0, "json", '{{"cls": {}}}') | {"s2.json": b"["})}, ["wds:ROOT/a.tar"]
    yield {"a.tar": one[:700]}, ["wds:ROOT/a.tar"]
    yield {"a.tar": b"no tar"}, ["wds:ROOT/a.tar"]
    yield {"a.txt": b""}, ["wds:ROOT"]


def saved(**arrays: Any) -> bytes:
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


def single(array: Any) -> bytes:
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def archives() -> Iterator[tuple[dict[str, str | bytes], list[str]]]:
    x, y = np.arange(6 * 12, dtype=np.uint8).reshape(6, 2, 2, 3), np.array([0, 1, 0, 1, 0, 1])
    for arrays in (
        {"x": x, "y": y}, {"X_train": x, "y_train": y, "x_test": x, "y_test": y},
        {"train_images": x, "train_labels": y[:, None]}, {"x": x.astype(np.int64), "y": y},
        {"x": x.astype(np.int64) + 200, "y": y}, {"x": x - np.int64(1), "y": y}, {"x": x.astype(np.int64) + 184, "y": y},
        {"x": x, "y": y, "classes": np.array(["cat", "dog"])}, {"x": x, "y": y + 1, "names": np.array(["cat", "dog"])},
        {"x": x, "y": np.eye(2)[y]}, {"x": x, "y": np.ones((6, 2))}, {"x": x, "y": np.eye(2)[y] * 2}, {"x": x, "y": y / 2},
        {"x": x, "y": y * 1.0}, {"x": x, "y": y[:5]}, {"x": x, "y": y.astype(complex)}, {"x": x, "y": y.astype("S")},
        {"x": x, "y": np.array(["a", "b"])[y]}, {"x": x, "y": y == 1}, {"x": x, "y": y[:, None, None]},
        {"x": x, "X": x, "y": y}, {"images": x, "data": x, "y": y}, {"x": x}, {}, {"q": x, "r": y}, {"x": x / 255, "y": y},
        {"x": x[..., :2], "y": y}, {"x": x[..., 0], "y": y}, {"x": x[..., :1] / 300, "y": y},
        {"x": x.transpose(0, 3, 1, 2), "y": y}, {"x": x[..., None], "y": y}, {"x": x[:, :1, :, 1], "y": y},
        {"x": x / 70, "y": y}, {"x": x / 80 - 0.1, "y": y}, {f"x{n}": x for n in range(14)},
        {"x": x, "y": y, "classes": np.array(["cat", "dog"])[:1]}, {"x": x.astype(bool), "y": y},
        {"x": x.astype(np.int32)[:0], "y": y[:0]}, {"train_x": x, "train_y": y, "val_x": x, "val_y": y, "x": x, "y": y},
    ):  # fmt: skip
        yield {"a.npz": saved(**arrays)}, ["npz:ROOT/a.npz"]
    yield {"a.npz": saved(q=x, r=y)}, ["npz:ROOT/a.npz?images=q&labels=r", "npz:ROOT/a.npz?images=q", "npz:ROOT/a.npz?images=s"]
    yield {"a.npz": b"x"}, ["npz:ROOT/a.npz", "npz:ROOT/b.npz"]
    yield {"X.npy": single(x), "y.npy": single(y)}, [
        "npy:ROOT", "npy:ROOT/X.npy", "npy:ROOT/X.npy?labels=y.npy", "npy:ROOT/z.npy"]  # fmt: skip
    yield {"X.npy": single(x), "y.npy": single(y)[:-8], "z.txt": ""}, ["npy:ROOT", "npy:ROOT/z.txt"]


def table(images: list[bytes | None], label: Any, **more: Any) -> bytes:
    held = io.BytesIO()
    features = more.pop("features", None)
    found = pa.table({"image": pa.array(images, pa.binary()), "label": label, **more})
    if features is not None:
        found = found.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(found, held, row_group_size=4)
    return held.getvalue()


def columns() -> Iterator[tuple[dict[str, str | bytes], list[str]]]:
    ten, y = [png(number) for number in range(10)], [0, 1] * 5
    named = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    plain = table(ten, y)
    yield {"a.parquet": plain}, [
        "parquet:ROOT/a.parquet", "parquet:ROOT", "parquet:ROOT/a.parquet?label=image", "parquet:ROOT/a.parquet?image=label",
        "parquet:ROOT/b.parquet", "parquet:ROOT?labl=x", "parquet:ROOT?test=1", "parquet:ROOT?test=2", "parquet:ROOT?test=9",
        "parquet:ROOT?test=0", "parquet:ROOT?test=x"]  # fmt: skip
    yield {"train-0.parquet": plain, "train-1.parquet": table(ten[:2], [0, 1]), "test.parquet": table(ten[:3], [1, 0, 0])}, [
        "parquet:ROOT", "parquet:ROOT?test=2"]  # fmt: skip
    yield {"train/a.parquet": plain, "Validation/b.parquet": table(ten[:2], [0, 1])}, ["parquet:ROOT"]
    yield {"test.parquet": plain}, ["parquet:ROOT"]
    yield {"train-0.parquet": plain, "train-1.parquet": table(ten[:2], [None, 1])}, ["parquet:ROOT"]
    yield {"train-0.parquet": plain, "train-1.parquet": table(ten[:2], [0, -1])}, ["parquet:ROOT"]
    yield {"train.parquet": plain, "test.parquet": table(ten[:2], [-1, -1])}, ["parquet:ROOT"]
    yield {"train.parquet": plain, "test.parquet": table(ten[:2], [-1, 0])}, ["parquet:ROOT"]
    yield {"train.parquet": plain, "test.parquet": table(ten[:2], [None, 0])}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, y, features=named)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, y, other=y, text=list("abcdefghij"))}, ["parquet:ROOT", "parquet:ROOT?label=other"]
    yield {"a.parquet": table(ten, y, fine=y, features=named | {"fine": named["label"]})}, [
        "parquet:ROOT?label=fine", "parquet:ROOT"]  # fmt: skip
    yield {"a.parquet": table(ten, [*y[:9], 2], features=named)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, [*y[:9], None], features=named)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, ["dog", "cat"] * 5, features=named)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, ["dog", "cow"] * 5, features=named)}, ["parquet:ROOT"]
    for names in (["cat", "cat"], ["cat", ""], "cat"):
        yield {"a.parquet": table(ten, y, features=named | {"label": {"names": names}})}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, [[0], [1]] * 5)}, ["parquet:ROOT", "parquet:ROOT?targets=several"]
    yield {"a.parquet": table(ten, [[0], [1, 0], [1], [], [0]] * 2)}, ["parquet:ROOT", "parquet:ROOT?targets=classes"]
    listed = named | {"label": {"feature": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}
    yield {"a.parquet": table(ten, [[0], [1, 0], [1], [0], [1]] * 2, other=y, features=listed)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, [[0], [1, 2], [1], [0], [1]] * 2, features=listed)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, [True, False] * 5)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, [0.5] * 10)}, ["parquet:ROOT"]
    yield {"a.parquet": table(ten, y, two=[1, 0, 0, 0, 1] * 2)}, ["parquet:ROOT?label=label,two"]
    yield {"a.parquet": table(ten, y, two=[1, 0, 0, 3, 1] * 2)}, ["parquet:ROOT?label=label,two"]
    yield {"train.parquet": plain, "test.parquet": table(ten[:4], list("abab"))}, ["parquet:ROOT"]
    yield {"a.parquet": plain[:-9]}, ["parquet:ROOT"]
    yield {"a.txt": b""}, ["parquet:ROOT"]


@pytest.mark.parametrize(("name", "cases"), [("shards", shards), ("arrays", archives), ("columns", columns)])
def test_every_archive_is_read_as_before(name: str, cases: Any, tmp_path: Path) -> None:
    kept(f"read_{name}", [("", files, specs) for files, specs in cases()], tmp_path / "a")
