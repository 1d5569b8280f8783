"""The list of components: every line of the lock file is in it, with its digests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_locked_package_is_listed_with_its_digests(tmp_path: Path) -> None:
    out = tmp_path / "bill.json"
    subprocess.run([sys.executable, "tools/sbom.py", "--out", str(out)], cwd=ROOT, check=True, capture_output=True)
    told = json.loads(out.read_text())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert told["metadata"]["component"]["name"] == "coldframe"
    lock = (ROOT / "requirements.lock").read_text()
    parts = {(part["name"], part["version"]): part for part in told["components"]}
    assert set(re.findall(r"^([\w.-]+)==([^ ;]+)", lock, re.MULTILINE)) == set(parts)
    digests = [digest["content"] for part in parts.values() for file in part["externalReferences"] for digest in file["hashes"]]
    assert len(digests) == lock.count("--hash=sha256:") and len(digests) > 1000
    assert parts[next(key for key in parts if key[0] == "torch")]["licenses"]
