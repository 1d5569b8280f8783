from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest

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
