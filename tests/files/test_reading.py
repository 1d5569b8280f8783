"""The typed reader names the file, the place and what was expected; what is sound comes back as it was written."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from coldframe import files
from coldframe.errors import FileError
from coldframe.files import formats
from coldframe.files.reading import loads, read, read_toml
from coldframe.results.results import ResultsFile
from coldframe.training.checkpoint import Progress


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    shard = formats.ShardFile(["a", "b"], [3, 4], "float32", 96)
    files.write_json(tmp_path / "manifest.json", formats.plain(shard))
    assert read(tmp_path / "manifest.json", formats.ShardFile) == shard
    progress = Progress(step=3, best=0.5, history=[{"epoch": 1, "loss": 0.25}])
    files.write_json(tmp_path / "progress.json", asdict(progress))
    assert read(tmp_path / "progress.json", Progress) == progress


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"digests": [], "shape": [], "dtype": "x"}', "expected the key 'bytes', found none"),
        ('{"digests": [], "shape": [], "dtype": "x", "bytes": 1, "byts": 2}', "unknown key 'byts'; did you mean 'bytes'"),
        ('{"digests": [], "shape": ["3"], "dtype": "x", "bytes": 1}', "expected a whole number at shape[0], found text"),
        ('{"digests": {}, "shape": [], "dtype": "x", "bytes": 1}', "expected a list at digests, found a mapping"),
        ('{"digests": [], "shape": [], "dtype": null, "bytes": 1}', "expected text at dtype, found null"),
        ('{"digests": [], "shape": [], "dtype": "x", "bytes": -1}', "expected a whole number >= 0 at bytes"),
        ("[1]", "expected a mapping, found a list"),
        ("{", "expected JSON, found an error at line 1, column 2"),
        ("[" * 10_000, "brackets in brackets without end"),
        ('{"bytes": NaN}', "a number out of range"),
        ('{"bytes": 1e999}', "a number out of range"),
        ('{"bytes": ' + "9" * 5000 + "}", "a number out of range"),
    ],
)
def test_the_place_and_what_was_expected_are_named(text: str, said: str) -> None:
    with pytest.raises(FileError) as caught:
        loads(text, formats.ShardFile, "some/manifest.json", remedy="extract again")
    message = str(caught.value)
    assert "some/manifest.json" in message and said in message and message.endswith("extract again"), message


def test_unknown_keys_of_inner_values_and_of_dataclasses_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="unknown key 'stepp'; did you mean 'step'"):
        loads('{"stepp": 3}', Progress, "a checkpoint")
    value: dict[str, Any] = {"rows": [], "about": {"modle": "x"}}
    files.write_json(tmp_path / "results.json", value)
    with pytest.raises(FileError, match=r"unknown key 'about\.modle'; did you mean 'model'"):
        read(tmp_path / "results.json", ResultsFile)


def test_toml_is_read_by_the_same_types(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    for text, said in (
        ("seeds = 'two'", "expected a whole number at seeds, found text"),
        ("seed = 3", "found the unknown key 'seed'; did you mean 'seeds'"),
        ("[[runs]]\nmethods = 'knn'", "runs"),
        ("seeds = ", "expected TOML in"),
        ("a = " + "[" * 10_000, "brackets in brackets without end"),
        ("seeds = " + "9" * 5000, "a number out of range"),
    ):
        path.write_text(text)
        with pytest.raises(FileError) as caught:
            read_toml(path, formats.PlanFile)
        assert said in str(caught.value) and str(path) in str(caught.value), caught.value
