"""Sessions of ONNX Runtime that read no file and take limited memory, whatever their graph computes."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ssr_mmseg.deploy.onnx_check import read_model
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.extras import require

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}
MAX_MEMORY = 8 * 2**30  # bytes of main memory for the tensors of all our sessions of a process
FATAL = 4  # ONNX Runtime's log level; its errors are raised as well, without the control characters of a file's names


def open_session(path: Path, provider: str = "cpu", threads: int = 0, entries: Mapping[str, str] | None = None) -> Any:
    """Return an `onnxruntime.InferenceSession` for a checked ONNX file.

    Args:
        path: The ONNX file.
        provider: `cpu`, `cuda` or `tensorrt`.
        threads: CPU threads; 0 for one per core.
        entries: Further entries of the session's configuration, by ONNX Runtime's names.

    Raises:
        UserError: ONNX Runtime or the provider is missing, or the file is not an exported network.
    """
    onnxruntime = require("onnxruntime", "an exported network")
    if not Path(path).is_file():
        raise UserError(f"model {path} not found; create it with: ssr-mmseg export")
    name = PROVIDERS[provider]
    if name not in onnxruntime.get_available_providers():
        raise UserError(f"provider {provider} is not in this build of ONNX Runtime; run: pip install onnxruntime-gpu")
    data = read_model(path)
    _limit_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = FATAL
    options.add_session_config_entry("session.load_model_format", "ONNX")  # by default it detects another one, too
    options.add_session_config_entry("session.use_env_allocators", "1")
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    try:
        # Folding constants would take memory of its own, outside of the limit; the exporter has done it.
        session = onnxruntime.InferenceSession(data, options, providers=[name], disabled_optimizers=["ConstantFolding"])
    except Exception as error:  # its error types are private
        raise UserError(
            f"{path} is not an ONNX model that ONNX Runtime can load ({reason(error)}); export it again"
        ) from error
    if session.get_providers()[0] != name:  # it runs on the CPU where a library of the GPU is missing
        raise UserError(
            f"provider {provider} cannot run here: ONNX Runtime chose {session.get_providers()[0]}; check that the "
            "GPU's driver, CUDA and cuDNN are those that onnxruntime-gpu asks for"
        )
    return session


def reason(error: Exception) -> str:
    """Return the message of an error of ONNX Runtime, which quotes names of the file, as one short line."""
    if "Available memory of" in str(error):
        return f"it needs more than {MAX_MEMORY // 2**20} MiB of memory"
    return one_line(error, 200)


@cache
def _limit_memory() -> None:
    """Register the allocator that sessions with `session.use_env_allocators` share; others are left as they are."""
    onnxruntime = require("onnxruntime", "an exported network")
    kind = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    grow_as_requested = 1  # instead of by powers of two, which reach the limit early
    limits = onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY, "arena_extend_strategy": grow_as_requested})
    onnxruntime.create_and_register_allocator(kind, limits)
