"""Experiments of strangers, given to Snakemake, which runs code in YAML files unless a profile of ours is used."""

import json
import re
import subprocess
import sys

import pytest
from patience import PATIENCE

from ssr_mmseg.settings.paths import PROJECT

PROFILES = sorted((PROJECT / "profiles").glob("*/profile.yaml"))
DEFAULT = PROJECT / "profiles/default/profile.yaml"
CODE = '__import__("pathlib").Path("harm").touch()'
PROGRAMS = {  # each makes the file `harm`, if it is run
    "an expression": f"__use_yte__: true\ndevice: ?{CODE}\n",
    "a definition": f"__use_yte__: true\n__definitions__: ['{CODE}']\n",
    "a variable": f"__use_yte__: true\n__variables__: {{x: '?{CODE}'}}\n",
    "a key": f"__use_yte__: true\n? '?if {CODE}'\n: {{device: cpu}}\n",
    "an escaped key": f'"\\x5f_use_yte__": true\ndevice: ?{CODE}\n',
    "a merge": f"<<: {{__use_yte__: true}}\ndevice: ?{CODE}\n",
    "an object": f"device: !!python/object/apply:eval ['{CODE}']\n",
}
LEVELS = "".join(f"x{level + 1}: &x{level + 1} {{a: *x{level}, b: *x{level}}}\n" for level in range(40))
UNSOUND = {
    "aliases that multiply": f"x0: &x0 {{a: 1}}\n{LEVELS}",
    "an object's name": "device: !!python/name:os.system\n",
    "a large file": "#" * 2**20 + "\ndevice: cpu\n",
    "deep nesting": "[" * 100_000,
    "other bytes than UTF-8": b"device: \xff\n",
    "a key twice": "device: cpu\ndevice: cuda\n",
}

# Reads a configuration as Snakemake does, after a profile.
READ = """
import json, sys, yte
import snakemake.cli
with open(sys.argv[1]) as profile:
    yte.process_yaml(profile, require_use_yte=True)
from snakemake.settings.types import ConfigSettings
from pathlib import Path
print(json.dumps(ConfigSettings(configfiles=[Path(sys.argv[2])]).overwrite_config))
"""


def read(profile, config, folder):
    """Read a configuration as Snakemake does with a profile."""
    command = [sys.executable, "-c", READ, str(profile), str(config)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.parent.name)
def test_no_profile_lets_a_configuration_run_code(profile, tmp_path):
    for content in PROGRAMS.values():
        read(profile, write(tmp_path / "config.yaml", content), tmp_path)
        assert not (tmp_path / "harm").exists()


def test_the_programs_do_harm_without_a_profile(tmp_path):
    """Otherwise this file would test nothing."""
    empty = write(tmp_path / "empty.yaml", "{}")
    for kind, content in PROGRAMS.items():
        harm = tmp_path / "harm"
        read(empty, write(tmp_path / "config.yaml", content), tmp_path)
        assert harm.exists() or kind == "an object", kind  # yte's own loader makes no objects
        harm.unlink(missing_ok=True)


def test_all_profiles_contain_the_same_lines():
    texts = [path.read_text() for path in PROFILES]
    assert len({re.search(r"(?ms)^__use_yte__.*?= read_as_data$", text)[0] for text in texts}) == 1


@pytest.mark.parametrize("path", sorted((PROJECT / "config").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_sound_configuration_is_read_as_without_a_profile(path, tmp_path):
    empty = write(tmp_path / "empty.yaml", "{}")
    with_profile, without = read(DEFAULT, path, tmp_path), read(empty, path, tmp_path)
    assert json.loads(with_profile.stdout) == json.loads(without.stdout)


@pytest.mark.parametrize("content", UNSOUND.values(), ids=UNSOUND)
def test_an_unsound_configuration_ends_planning_in_a_line(content, checkout):
    call = plan(checkout, write(checkout.folder / "config/unsound.yaml", content))
    assert call.returncode != 0
    assert "Traceback" not in call.stderr
    assert "config/unsound.yaml" in call.stderr or "Config file is not valid" in call.stdout


@pytest.mark.parametrize("arguments", [(), ("--workflow-profile", "none")], ids=["default", "none"])
def test_a_program_is_named(arguments, checkout):
    content = "__use_yte__: true\ndevice: ?'cpu'\n"
    call = plan(checkout, write(checkout.folder / "config/program.yaml", content), *arguments)
    assert call.returncode != 0
    last = call.stderr.splitlines()[-1]
    assert last.startswith("ssr-mmseg: config/program.yaml: found the key __use_yte__")


def test_a_missing_configuration_is_named(checkout):
    call = plan(checkout, "config/nothing.yaml")
    assert "Traceback" not in call.stderr
    assert call.stderr.splitlines()[-1].startswith("ssr-mmseg: could not read the configuration config/nothing.yaml")


def plan(checkout, config, *arguments):
    command = [sys.executable, "-m", "snakemake", "--nocolor", "--dry-run", *arguments, "--configfile", str(config)]
    return subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True, timeout=PATIENCE)
