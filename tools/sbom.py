"""Write the list of components (SBOM) of what ``requirements.lock`` installs, as CycloneDX 1.6 JSON: ``make sbom``.

Each component has its name, version, package URL and the SHA-256 digests of its files; the licence stands beside those that are
installed here.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[1]


def locked(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (name, version, digests) of each line of a lock file."""
    for entry in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        found = re.match(r"([A-Za-z0-9_.-]+)==([^\s;]+)", entry)
        if found:
            yield found[1], found[2], re.findall(r"--hash=sha256:([0-9a-f]{64})", entry)


def licence(name: str) -> License | None:
    """Return the licence that an installed package states; None where it is not installed or says nothing short."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    classifiers = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or [] if line.startswith("License")]
    stated = told.get("License-Expression") or next(iter(classifiers), None) or told.get("License")
    short = stated is not None and len(stated) < 200 and "\n" not in stated
    return LicenseFactory().make_from_string(stated) if short else None


def bill(text: str, version: str) -> Bom:
    """Return the bill of components of a lock file, for a version of coldframe."""
    bom = Bom()
    bom.metadata.tools.components.add(this_component())
    own = Component(name="coldframe", version=version, type=ComponentType.APPLICATION, bom_ref="coldframe")
    bom.metadata.component = own
    parts = []
    for name, found, digests in locked(text):
        said = licence(name)
        url = PackageURL("pypi", None, name.lower(), found)
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests]
        files = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(url.to_string()), hashes=hashes)
        parts.append(Component(
            name=name, version=found, type=ComponentType.LIBRARY, purl=url, bom_ref=url.to_string(),
            licenses=[said] if said is not None else [], external_references=[files] if hashes else [],
        ))  # fmt: skip
    for part in parts:
        bom.components.add(part)
    bom.register_dependency(own, parts)
    return bom


def main() -> None:
    """Write the file."""
    from coldframe.version import __version__

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "coldframe.cdx.json")
    out = parser.parse_args().out
    bom = bill((ROOT / "requirements.lock").read_text(encoding="utf-8"), __version__)
    out.parent.mkdir(parents=True, exist_ok=True)
    JsonV1Dot6(bom).output_to_file(str(out), allow_overwrite=True, indent=2)
    print(f"{out}: {len(bom.components)} components")


if __name__ == "__main__":
    main()
