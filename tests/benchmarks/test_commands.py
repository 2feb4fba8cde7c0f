"""Every benchmark is a command that starts, prints nothing but results, and reports a user's mistake in one line."""

import json
import os
import subprocess
import sys

import pytest

from ssr_mmseg.settings import paths

PROGRAMS = sorted(
    path.name for path in (paths.PROJECT / "benchmarks").glob("*.py") if '__name__ == "__main__"' in path.read_text()
)
COMMANDS = [name for name in PROGRAMS if name != "workers.py"]  # which only search_step.py starts
MISTAKES = {
    "gates_alone.py": (["--config", "no.yaml", "--images", "100"], "no.yaml"),
    "scale_out.py": (["--record", "no.json"], "no.json"),
    "search_step.py": (["--reference", "no_clone"], "no_clone"),
    "sliding_window.py": (["--window", "64", "--overlap", "64"], "expected an overlap smaller than the window"),
    "training_step.py": (["--variants", "quick"], "there is no variant quick"),
}


def run(*command: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(paths.PROJECT)}
    arguments = [sys.executable, f"benchmarks/{command[0]}", *command[1:]]
    return subprocess.run(arguments, cwd=paths.PROJECT, env=environment, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_all_that_is_printed(command):
    call = run(command, "--help")
    assert (call.returncode, call.stderr) == (0, "")
    assert call.stdout.startswith(f"usage: {command}")


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_is_one_line(command):
    arguments, words = MISTAKES[command]
    call = run(command, *arguments)
    assert (call.returncode, call.stdout) == (2, "")
    assert call.stderr.startswith(f"{command.removesuffix('.py')}: ")
    assert call.stderr.count("\n") == 1
    assert words in call.stderr


def test_gates_alone_prints_when_the_gates_of_the_configured_search_decide(tmp_path):
    def rows(**search: object) -> list[dict]:
        stages = [{"blocks": 2, "channels": channels, "width_step": 2} for channels in (24, 32)]
        space = {"stages": stages, "width_options": 3}
        section = {
            "space": space,
            "cost": {"type": "macs", "target": 0.5, "hold": 1000},
            "epochs": 4,
            "shrink_epochs": 4,
            "min_steps": 100,
            **search,
        }
        file = tmp_path / "small.yaml"
        file.write_text(json.dumps({"search": section}))  # JSON is YAML
        call = run("gates_alone.py", "--config", str(file), "--dataset", "streets", "--images", "192")
        assert call.returncode == 0, call.stderr
        return json.loads(call.stdout)["rows"]

    usual = rows()
    assert usual[-1]["decided"] > 0.8
    assert usual[-1]["cost_ratio"] == pytest.approx(0.5, rel=0.1)
    assert rows(shrink=False)[-1]["alive"] != usual[-1]["alive"]
    frozen = rows(cfg_options={"optim_wrapper.architecture.optimizer.lr": 0.0001})
    assert frozen[-1]["decided"] == 0
