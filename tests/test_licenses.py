"""The project's license, and that the packages that it installs may be used by software under it."""

import hashlib
import re
import textwrap
import tomllib
from email.message import Message
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement

import ssr_mmseg
from ssr_mmseg.settings.paths import PROJECT

# Of https://www.apache.org/licenses/LICENSE-2.0.txt.
APACHE_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"

# Licenses of packages that ours may depend on. "BSD" and "public domain" are all that the metadata of some say.
PERMISSIVE = {
    *("0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0"),
    *("CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "public domain", "Unlicense"),
    "Zlib",
}
# These require that changes to the package's own files are published. We change none.
WEAK_COPYLEFT = {"LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0"}
ALLOWED = PERMISSIVE | WEAK_COPYLEFT

# Other names of these licenses, in classifiers and in the field License.
SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain": "public domain",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}

# Packages whose metadata are unclear: the license that their license files have, and what the metadata say instead.
REVIEWED = {
    "cityscapesscripts": ("MIT", "an address; the license is that of the scripts, the dataset has its own"),
    "conda-inject": ("MIT", "nothing"),
    "docutils": ("public domain", "also BSD, for some files, and GPL, for an Emacs mode that the package leaves out"),
    "onedl-mmcv": ("Apache-2.0", "LicenseRef-Apache-2.0; some operators are an exception, see RESTRICTED"),
    "onedl-mmengine": ("Apache-2.0", "the whole text"),
    "onedl-mmsegmentation": ("Apache-2.0", "LicenseRef-Apache-2.0; SegFormer is an exception, see RESTRICTED"),
    "snakemake-interface-common": ("MIT", "nothing"),
    "snakemake-interface-logger-plugins": ("MIT", "nothing"),
    "snakemake-interface-report-plugins": ("MIT", "nothing"),
    "snakemake-interface-scheduler-plugins": ("MIT", "nothing"),
    "snakemake-interface-storage-plugins": ("MIT", "nothing"),
}
# What the license files of reviewed packages must contain.
PHRASES = {
    "Apache-2.0": "Apache License Version 2.0, January 2004",
    "MIT": "Permission is hereby granted, free of charge, to any person",
    "public domain": "Most of the files included in this project have been placed in the public domain",
}

# Parts of installed packages that the LICENSES.md of mmcv and of mmsegmentation list as exceptions, under licenses of
# NVIDIA that restrict their use. All of mmcv's are in `mmcv.ops`.
RESTRICTED = re.compile(r"mmcv[./]ops|from mmcv import .*\bops\b|segformer", re.IGNORECASE)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned_packages() -> list[str]:
    """Names of the packages that the lock pins on this platform.

    The lock leaves out the CUDA libraries that torch itself requires on some platforms. They are under NVIDIA's terms.
    """
    lines = (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line.split("--hash")[0].rstrip(" \\") for line in lines if re.match(r"[A-Za-z0-9][\w.-]*==", line)]
    requirements = [Requirement(pin) for pin in pins]
    return [canonical(pin.name) for pin in requirements if pin.marker is None or pin.marker.evaluate()]


def declared_license(fields: Message) -> str:
    """Return what a package's metadata say: the license expression, else the classifiers, else the field License.

    Several classifiers are joined by AND, because they do not say whether one may choose.
    """
    if fields["License-Expression"]:
        return fields["License-Expression"]
    classifiers = [entry for entry in fields.get_all("Classifier") or [] if entry.startswith("License ::")]
    names = [entry.split(" :: ")[-1] for entry in classifiers] or [fields["License"] or ""]
    return " AND ".join(SPELLINGS.get(name, name) for name in names)


def is_allowed(expression: str) -> bool:
    """Whether a license expression offers an alternative of allowed licenses only; one with parentheses never does."""
    alternatives = [set(alternative.split(" AND ")) for alternative in expression.split(" OR ")]
    return "(" not in expression and any(alternative <= ALLOWED for alternative in alternatives)


@pytest.mark.parametrize("name", pinned_packages())
def test_a_pinned_package_has_a_compatible_license(name):
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        pytest.fail(f"{name} is in requirements.lock but not installed, so its license is unknown; run make setup")
    if name in REVIEWED:
        license_name, _ = REVIEWED[name]
        files = [file for file in distribution.files if re.search(r"dist-info/.*(LICENSE|COPYING)", str(file))]
        assert any(PHRASES[license_name] in " ".join(file.read_text().split()) for file in files)
    else:
        declared = declared_license(distribution.metadata)
        assert is_allowed(declared), (
            f"the metadata of {name} say {textwrap.shorten(declared, 100)!r}, which is not among the allowed licenses; "
            "read its license files, then add the license to ALLOWED or the package to REVIEWED, or do without it"
        )


def test_every_reviewed_package_is_pinned():
    assert REVIEWED.keys() <= set(pinned_packages())


@pytest.mark.parametrize(
    ("field", "values", "allowed"),
    [
        ("License-Expression", ["MIT"], True),
        ("License-Expression", ["MIT OR GPL-3.0-only"], True),
        ("License-Expression", ["MIT AND GPL-3.0-only"], False),
        ("License-Expression", ["(ISC OR MIT OR BSD) AND GPL-3.0-only"], False),
        ("License-Expression", ["CC-BY-NC-4.0"], False),
        ("License-Expression", ["LicenseRef-Proprietary"], False),
        ("Classifier", ["License :: OSI Approved :: MIT License"], True),
        ("Classifier", ["License :: OSI Approved :: GNU Affero General Public License v3"], False),
        (
            "Classifier",
            [f"License :: OSI Approved :: {n}" for n in ("MIT License", "GNU General Public License")],
            False,
        ),
        ("License", ["3-Clause BSD License"], True),
        ("License", ["GPLv2"], False),
        ("License", ["free for research, not for commercial use"], False),
        ("Name", ["undeclared"], False),
    ],
)
def test_only_known_licenses_are_allowed(field, values, allowed):
    fields = Message()
    for value in values:
        fields[field] = value
    assert is_allowed(declared_license(fields)) == allowed


@pytest.mark.parametrize("folder", ["ssr_mmseg", "config", "workflow", "benchmarks"])
def test_restricted_parts_of_packages_are_not_used(folder):
    paths = [path for path in (PROJECT / folder).rglob("*") if path.suffix in {".py", ".json", ".smk", ".yaml"}]
    assert paths
    assert [path for path in paths if RESTRICTED.search(path.read_text(encoding="utf-8"))] == []


def test_the_license_is_apache_2():
    assert hashlib.sha256((PROJECT / "LICENSE").read_bytes()).hexdigest() == APACHE_SHA256


def test_the_package_declares_its_license():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project.get("license") == "Apache-2.0"
    assert project.get("license-files") == ["LICENSE", "NOTICE"]


def test_the_citation_names_the_license_and_the_paper_of_the_readme():
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["license"] == "Apache-2.0"
    assert "version" not in citation  # the version is in ssr_mmseg/__init__.py alone
    (paper,) = citation["references"]
    authors = [f"{author['family-names']}, {author['given-names']}" for author in paper["authors"]]
    readme = " ".join((PROJECT / "README.md").read_text(encoding="utf-8").split())
    assert f"title = {{{paper['title']}}}" in readme
    assert f"author = {{{' and '.join(authors)}}}" in readme
    assert f"journal = {{{paper['journal']}}}, year = {{{paper['year']}}}" in readme


def test_the_newest_release_in_the_changelog_is_this_version():
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\]", changelog, re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == ssr_mmseg.__version__
