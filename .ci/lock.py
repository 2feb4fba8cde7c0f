"""Pin what pyproject.toml asks for: in requirements.lock, requirements-cuda.lock and environment.yaml.

`make lock` runs this. Arguments go to `uv pip compile`: with --upgrade it takes the newest releases, without it pins
that still fit stay as they are.
"""

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "lock"
PYTORCH = "https://download.pytorch.org/whl/cpu"  # the only index of the builds without CUDA libraries
CUDA = re.compile(r"nvidia-|cuda-|triton==")  # what PyPI's torch for Linux requires and those builds do not
RULES = ("all", "openvino", "slurm", "tensorboard")  # the extras that the rules of the workflow may need

Pins = dict[str, set[str]]  # hash options of all files of a release, by name==version


def compile_pins(*arguments: str, text: str | None = None) -> Pins:
    """Return the pins of everything that the requirements in a file, or in a text, need.

    One resolution serves all platforms: Linux needs whatever macOS needs, and what the oldest Python may have, newer
    ones may.
    """
    target = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
    command = [FOLDER / "bin" / "uv", "pip", "compile", "--no-header", "--no-annotate", *target, *arguments]
    run = subprocess.run(command, cwd=ROOT, input=text, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.returncode)  # uv has said why
    return read_pins(run.stdout)


def read_pins(text: str) -> Pins:
    """Return the pins of a lock."""
    entries = re.findall(r"^([a-z0-9][^ \\\n]*==[^ \\\n]+)((?: \\\n +--hash=\S+)*)", text, re.MULTILINE)
    return {pin: set(re.findall(r"--hash=\S+", hashes)) for pin, hashes in entries}


def write_lock(path: Path, pins: Pins) -> None:
    """Replace the pins of a lock, but not the comment that it begins with."""
    comment = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    entries = [" \\\n    ".join([pin, *sorted(hashes)]) for pin, hashes in pins.items()]
    path.write_text("\n".join([*comment, *entries]) + "\n", encoding="utf-8")


def main() -> None:
    """Write the three files."""
    venv.create(FOLDER, clear=True, with_pip=True)
    subprocess.run([FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"], check=True)

    lock, cuda_lock = ROOT / "requirements.lock", ROOT / "requirements-cuda.lock"
    old = lock.read_text(encoding="utf-8") + cuda_lock.read_text(encoding="utf-8")
    output = FOLDER / "pins.txt"
    output.write_text(old, encoding="utf-8")  # uv prefers the pins that are there
    pins = compile_pins("--all-extras", "--generate-hashes", f"--output-file={output}", *sys.argv[1:], "pyproject.toml")

    # pip takes 2.13.0+cpu for 2.13.0, if the pin has its hash.
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    hashes = read_pins(old).get(torch)
    if not hashes:
        cpu = f"{torch}+cpu"
        hashes = compile_pins("--generate-hashes", "--no-deps", f"--default-index={PYTORCH}", "-", text=cpu)[cpu]
    pins[torch] |= hashes
    write_lock(lock, {pin: hashes for pin, hashes in pins.items() if not CUDA.match(pin)})
    write_lock(cuda_lock, {pin: hashes for pin, hashes in pins.items() if CUDA.match(pin)})

    extras = [option for extra in RULES for option in ("--extra", extra)]
    needed = compile_pins(*extras, f"--constraint={lock}", "pyproject.toml")
    conda = ROOT / "environment.yaml"
    head, marker, _ = conda.read_text(encoding="utf-8").partition("  - pip:\n")
    lines = [f"    - {pin}\n" for pin in needed if not CUDA.match(pin)]
    conda.write_text(head + marker + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
