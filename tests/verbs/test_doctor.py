from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from coldframe.cli import main
from coldframe.verbs import doctor


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", *words])
    return int(stopped.value.code or 0)


def test_every_line_is_said_and_the_trial_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    looked_at = ["coldframe", "extras", "processor", "GPU", "cache", "data", "weights", "trial"]
    assert [line.split()[1] for line in lines] == looked_at
    assert all(line.split()[0] in ("ok", "note") for line in lines)
    assert "pocket" in lines[6] and "linear probe" in lines[7]


def test_what_is_broken_is_named_and_the_rest_is_still_looked_at(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COLDFRAME_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(doctor, "PEERS", (*doctor.PEERS, "no-such-package"))
    assert run("--quick", "--json") == 2
    found = {finding["what"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert found["coldframe"]["state"] == "fault" and "missing: no-such-package" in found["coldframe"]["said"]
    assert found["cache"]["state"] == "fault" and str(tmp_path) in found["cache"]["said"]
    assert found["weights"]["state"] == "ok" and "trial" not in found


def test_a_wrong_answer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_RIGHT", 1.0)
    *_, trial = doctor.examine("cpu")
    assert (trial.what, trial.state) == ("trial", "fault")


def test_a_small_disk_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LITTLE_DISK", 2**60)
    found = {finding.what: finding for finding in doctor.examine("cpu", quick=True)}
    assert found["cache"].state == "note" and "cache clear" in found["cache"].said


def test_extras_are_those_that_coldframe_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    class About:
        def get_all(self, name: str) -> list[str]:
            assert name == "Provides-Extra"
            return ["one", "two", "three"]

    needs = ["torch>=2", 'numpy>=1.2; extra == "one"', "no-such[cuda]>=2,<3; extra == 'two'", 'no-such; extra == "three"']
    monkeypatch.setattr(metadata, "metadata", lambda name: About())
    monkeypatch.setattr(metadata, "requires", lambda name: needs)
    assert doctor.extras() == {"one": [], "two": ["no-such"], "three": ["no-such"]}


def state(finding: doctor.Finding) -> tuple[str, str]:
    return finding.state, finding.said


def test_what_the_installation_holds_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "extras", dict)
    assert state(doctor._extras())[0] == "note" and "without being installed" in doctor._extras().said
    monkeypatch.setattr(doctor, "extras", lambda: {"a": [], "b": ["x"], "c": [], "d": ["y"]})
    assert state(doctor._extras()) == ("ok", "installed: a, c; not installed: b, d (pip install 'coldframe[b]')")
    monkeypatch.setattr(doctor, "extras", lambda: {"a": []})
    assert doctor._extras().said == "installed: a"
    monkeypatch.setattr(doctor, "extras", lambda: {"b": ["x"]})
    assert doctor._extras().said == "installed: none; not installed: b (pip install 'coldframe[b]')"
    versions = {"torch": "2.0", "numpy": "1.0"}
    monkeypatch.setattr(doctor, "PEERS", ("torch", "numpy"))
    monkeypatch.setattr(doctor, "_version", versions.get)
    assert doctor._versions().state == "ok" and doctor._versions().said.endswith("; torch 2.0, numpy 1.0")
    del versions["numpy"]
    assert doctor._versions().said.endswith("; torch 2.0; missing: numpy; install coldframe again with pip")


@pytest.mark.parametrize(("cores", "free", "said"), [
    (1, None, "P, 1 core to use, 1 thread"), (4, 3_000_000_000, "P, 4 cores to use, 1 thread, 3.0 GB of memory free"),
])  # fmt: skip
def test_the_processor_is_a_line(cores: int, free: int | None, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coldframe.measures.hardware.available_memory", lambda *_: free)
    monkeypatch.setattr("coldframe.measures.hardware.machine", lambda: {"cores": cores, "cpu": "P", "threads": 1})
    assert state(doctor._processor()) == ("ok", said)


def test_a_gpu_is_tried_and_without_one_the_build_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for version, words in (("12.1", "torch is built for CUDA 12.1"), (None, "torch is built without CUDA")):
        monkeypatch.setattr(torch.version, "cuda", version)
        assert state(doctor._gpu()) == ("note", f"none is found; everything runs on the processor ({words})")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("coldframe.measures.hardware.available_memory", lambda device: None)
    told = {"gpu": "G", "gpu_memory_mb": 80_000, "cuda": "12"}
    monkeypatch.setattr("coldframe.measures.hardware.machine", lambda device: told)
    for total, found in ((64.0, "ok"), (63.0, "fault")):
        monkeypatch.setattr(torch, "ones", lambda n, device, total=total: torch.full((n,), total / 64))
        assert state(doctor._gpu()) == (found, "G, 0 bytes of 80.0 GB free, CUDA 12")


def test_data_and_weights_are_listed_and_none_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("coldframe.files.data_root", lambda: None)
    assert doctor._data().said.endswith("; COLDFRAME_DATA names no other folder") and "mini:cifar10, " in doctor._data().said
    monkeypatch.setattr("coldframe.files.data_root", lambda: tmp_path)
    assert doctor._data().said.endswith(f"; more under {tmp_path}")
    lines = [SimpleNamespace(id=name) for name in "ab"]
    asked: list[dict[str, object]] = []
    for found, matched, said in ((lines, 1002, "a, b and 1,000 more"), (lines, 2, "a, b"), ([], 0, "none")):
        monkeypatch.setattr("coldframe.backbones.listing.list_models", lambda found=found, matched=matched, **words: (
            asked.append(words) or (found, matched)))  # fmt: skip
        assert state(doctor._weights()) == ("ok" if found else "note", f"on this disk: {said}")
    assert asked[0] == {"on_disk": True, "limit": 8}


def test_a_disk_is_little_below_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for free, found in ((doctor.LITTLE_DISK, "ok"), (doctor.LITTLE_DISK - 1, "note")):
        monkeypatch.setattr("shutil.disk_usage", lambda place, free=free: SimpleNamespace(free=free))
        assert doctor._cache().state == found
        assert "holds 0 bytes of activations, 2.0 GB of the disk are free" in doctor._cache().said
