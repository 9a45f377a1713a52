"""`make release`: the files of a release, of a build that is only named here."""

import hashlib
import json
import sys
import zipfile

import pytest

from play import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import release  # noqa: E402


@pytest.fixture(scope="module")
def metadata():
    return release.cargo("arm64")


def build(folder):
    for function in ("InboundFunction", "SendFunction"):
        (folder / function).mkdir(parents=True)
        (folder / function / "bootstrap").write_text(function)
    lines = [f"  {function}:\n    Properties:\n      CodeUri: {function}\n" for function in ("InboundFunction", "SendFunction")]
    (folder / "template.yaml").write_text("Resources:\n" + "".join(lines))
    return folder


def packed(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    release.packages(build(tmp_path / f"build-{name}"), folder)
    release.checksums(folder)
    return folder


def test_same_build_gives_the_same_packages_and_checksums(tmp_path):
    first, second = packed(tmp_path, "first"), packed(tmp_path, "second")
    assert (first / "SHA256SUMS").read_text() == (second / "SHA256SUMS").read_text()
    for line in (first / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((first / name).read_bytes()).hexdigest() == digest
    with zipfile.ZipFile(first / "SendFunction.zip") as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.external_attr >> 16, archive.read(entry)) == ("bootstrap", 0o755, b"SendFunction")
    assert "CodeUri: SendFunction.zip\n" in (first / "template.yaml").read_text()


def test_function_that_the_template_does_not_name_is_an_error(tmp_path):
    folder = build(tmp_path / "build")
    (folder / "OtherFunction").mkdir()
    (folder / "OtherFunction/bootstrap").touch()
    with pytest.raises(ValueError, match="no CodeUri: OtherFunction"):
        release.packages(folder, tmp_path)


def test_bill_has_what_is_compiled_into_functions_and_no_tools(metadata):
    bill = release.bill(metadata, "v1", "2026-01-01T00:00:00+00:00")
    components = {component["name"]: component for component in bill["components"]}
    assert {"tokio", "aws-sdk-dynamodb", "send", "inbound", "domain"} <= set(components)
    assert not {"wa", "sandbox", "stack", "tests", "proptest"} & set(components)
    assert components["tokio"]["purl"].startswith("pkg:cargo/tokio@") and len(components["tokio"]["hashes"][0]["content"]) == 64
    # Each has a licence, but for the workspace's own.
    assert [name for name, each in components.items() if "purl" in each and "licenses" not in each] == []
    named = {component["bom-ref"] for component in bill["components"]}
    assert {each["ref"] for each in bill["dependencies"]} == named
    assert all(set(each["dependsOn"]) <= named for each in bill["dependencies"])
    assert json.dumps(bill) == json.dumps(release.bill(metadata, "v1", "2026-01-01T00:00:00+00:00"))
