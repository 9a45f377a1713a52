"""Writes what a release consists of into a folder: `make release` after `make build`.

The functions' packages and the template that names them, for `sam deploy`, a bill of materials of the code inside (CycloneDX), and
the SHA-256 of each file. The same build gives the same files: packages have no times, and the bill has that of the commit.
"""

import datetime
import hashlib
import json
import subprocess
import sys
import tomllib
import uuid
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The oldest time that a package can have.
NO_TIME = (1980, 1, 1, 0, 0, 0)
TARGETS = {"arm64": "aarch64-unknown-linux-gnu", "x86_64": "x86_64-unknown-linux-gnu"}


def package(binary, to):
    """A package with one executable file."""
    entry = zipfile.ZipInfo("bootstrap", NO_TIME)
    entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o755 << 16
    with zipfile.ZipFile(to, "w") as packed:
        packed.writestr(entry, binary.read_bytes(), compresslevel=9)


def packages(build, folder):
    """Packs each function of a build, and writes the template that names the packages."""
    template = (build / "template.yaml").read_text()
    for binary in sorted(build.glob("*/bootstrap")):
        function = binary.parent.name
        before, line, after = template.partition(f"CodeUri: {function}\n")
        if not line:
            raise ValueError(f"{build / 'template.yaml'}: no CodeUri: {function}")
        package(binary, folder / f"{function}.zip")
        template = f"{before}CodeUri: {function}.zip\n{after}"
    (folder / "template.yaml").write_text(template)


def cargo(target):
    """Cargo's description of the workspace for a processor."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGETS[target]]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def compiled(metadata):
    """The packages that are compiled into the functions, by their ids, with those that each depends on. Cargo names the features that any
    package of the workspace asks for, so that a crate that only tools need for one of them is among these too."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    of_binary = lambda node: [each["pkg"] for each in node["deps"] if any(kind["kind"] is None for kind in each["dep_kinds"])]
    is_function = lambda package: Path(package["manifest_path"]).parent.parent == ROOT / "functions"
    waiting = [package["id"] for package in metadata["packages"] if is_function(package)]
    found = {}
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = of_binary(nodes[one])
            waiting += found[one]
    return found


def bill(metadata, version, commit_time):
    """The bill of materials, CycloneDX 1.6."""
    checksums = {
        (each["name"], each["version"]): each["checksum"]
        for each in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"] if "checksum" in each
    }
    found = compiled(metadata)
    known = {package["id"]: package for package in metadata["packages"] if package["id"] in found}
    reference = lambda one: f"{known[one]['name']}@{known[one]['version']}"
    components = [component(package, checksums) for package in sorted(known.values(), key=lambda each: reference(each["id"]))]
    dependencies = [{"ref": reference(one), "dependsOn": sorted(map(reference, set(on)))} for one, on in found.items()]
    content = {
        "metadata": {
            "timestamp": commit_time,
            "component": {"type": "application", "name": "whatsapp-on-lambda", "version": version, "bom-ref": "whatsapp-on-lambda"},
        },
        "components": components,
        "dependencies": sorted(dependencies, key=lambda each: each["ref"]),
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}", "version": 1, **content}


def component(package, checksums):
    name, version = package["name"], package["version"]
    found = {"type": "library", "name": name, "version": version, "bom-ref": f"{name}@{version}"}
    if license_expression := package.get("license"):
        # Cargo's older form for "or".
        found["licenses"] = [{"expression": license_expression.replace("/", " OR ")}]
    if checksum := checksums.get((name, version)):
        found |= {"purl": f"pkg:cargo/{name}@{version}", "hashes": [{"alg": "SHA-256", "content": checksum}]}
    return found


def validate(text):
    """Checks a bill by CycloneDX's own schema."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise ValueError(f"the bill of materials is not valid: {error}")


def checksums(folder):
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(lines))


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def main(build, folder, target="arm64"):
    build, folder = Path(build), Path(folder)
    folder.mkdir(parents=True)
    packages(build, folder)
    committed = datetime.datetime.fromtimestamp(int(git("log", "-1", "--format=%ct")), datetime.UTC)
    materials = bill(cargo(target), git("describe", "--tags", "--always", "--dirty"), committed.isoformat())
    text = json.dumps(materials, indent=2) + "\n"
    validate(text)
    (folder / "sbom.cdx.json").write_text(text)
    checksums(folder)
    print(f"{folder}: {len(materials['components'])} components, {len(list(folder.glob('*.zip')))} packages")


if __name__ == "__main__":
    main(*sys.argv[1:])
