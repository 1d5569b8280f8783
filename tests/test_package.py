"""Wheel and sdist: built, installed away from the source, and used."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from coldframe.version import __version__

ROOT = Path(__file__).parents[1]


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_both_packages_install_and_work_away_from_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wheel is made from the sdist; the dependencies are those of this environment, coldframe itself is not."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    made = tmp_path / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(made), str(ROOT), cwd=tmp_path)
    (wheel,), (source,) = made.glob("*.whl"), made.glob("*.tar.gz")
    assert wheel.name == f"coldframe-{__version__}-py3-none-any.whl"
    inside = set(zipfile.ZipFile(wheel).namelist())
    needed = ("py.typed", "backbones/weights/pocket.safetensors", "data/mini/caltech7.zip")
    assert {f"coldframe/{name}" for name in needed} <= inside
    assert any(name.startswith("coldframe/report/templates/") for name in inside)
    assert not any(name.startswith(("tests/", "docs/")) for name in inside)
    with tarfile.open(source) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "src/coldframe/version.py"} <= names
    assert not any(name.startswith((".venv", "build/", "runs/", ".cache")) for name in names)

    place = tmp_path / "env"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel), cwd=tmp_path)
    (site,) = (place / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = run(str(python), "-c", "import coldframe; print(coldframe.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(place)
    assert run(str(place / "bin" / "coldframe"), "--version", cwd=tmp_path).strip() == __version__
    said = run(str(place / "bin" / "coldframe"), "doctor", "--device", "cpu", cwd=tmp_path)
    assert "trial" in said and "fault" not in said
