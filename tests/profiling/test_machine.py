import json
import platform
import types

import pytest
import torch

from ssr_mmseg.profiling.hardware import GPU_FIELDS, cpu_name, gpu_name, query_gpu
from ssr_mmseg.profiling.machine import environment

UNKNOWN = dict.fromkeys(GPU_FIELDS)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Return a function that puts a shell script with the given body on the path as nvidia-smi."""

    def install(body: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return install


def test_cpu_record_is_json_and_names_this_machine():
    record = environment(torch.device("cpu"))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["device"]
    assert record["device_type"] == "cpu"
    assert record["threads"] == torch.get_num_threads()
    assert record["versions"]["torch"] == torch.__version__
    assert record["versions"]["python"] == platform.python_version()
    assert {key: record[key] for key in GPU_FIELDS} == UNKNOWN


def test_cpu_name_is_the_first_model_name(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel\t\t: 79\nmodel name\t: Chip X: 2 GHz\n\nmodel name\t: Other\n")
    assert cpu_name(cpuinfo) == "Chip X: 2 GHz"


@pytest.mark.parametrize("text", [None, "", "processor\t: 0\nCPU part\t: 0xd0c\n", "model name\t:\n"])
def test_cpu_name_falls_back_to_the_architecture(tmp_path, text):
    cpuinfo = tmp_path / "cpuinfo"
    if text is not None:
        cpuinfo.write_text(text)
    assert cpu_name(cpuinfo) == (platform.processor() or platform.machine())


def test_gpu_record_has_clocks_and_power_limit_of_the_right_gpu(nvidia_smi, monkeypatch):
    nvidia_smi('[ "$1" = "--id=GPU-12-ab" ] && echo "1410, 1980, [N/A], 350.50"')
    properties = types.SimpleNamespace(name="Some GPU", uuid="12-ab")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    record = environment(torch.device("cuda"))
    assert (record["device"], record["device_type"]) == ("Some GPU", "cuda")
    assert {key: record[key] for key in GPU_FIELDS} == {
        "sm_clock_mhz": 1410.0,
        "sm_clock_max_mhz": 1980.0,
        "memory_clock_mhz": None,
        "power_limit_w": 350.5,
    }


@pytest.mark.parametrize("body", ["echo 'No devices were found'", "echo 1, 2, 3, 4; exit 6", "true"])
def test_unusable_output_of_nvidia_smi_leaves_the_fields_unknown(nvidia_smi, body):
    nvidia_smi(body)
    assert query_gpu("GPU-0") == UNKNOWN


def test_a_missing_nvidia_smi_leaves_the_fields_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert query_gpu("GPU-0") == UNKNOWN


def test_the_gpu_is_the_first_that_cuda_shows(nvidia_smi, monkeypatch):
    nvidia_smi('case "$1" in --id=0) echo "Big GPU";; --id=GPU-12-ab) echo "Small GPU";; *) exit 6;; esac')
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_name() == "Big GPU"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-12-ab,0")
    assert gpu_name() == "Small GPU"


def test_a_board_without_nvidia_smi_has_its_own_name(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    board = tmp_path / "model"
    assert gpu_name(board) == "CUDA device"
    board.write_bytes(b"NVIDIA Jetson AGX Orin Developer Kit\0")
    assert gpu_name(board) == "NVIDIA Jetson AGX Orin Developer Kit"
