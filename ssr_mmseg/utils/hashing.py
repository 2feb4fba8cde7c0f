"""Short names for JSON values."""

import hashlib
import json
from typing import Any


def identity(value: Any) -> str:
    """Return 12 hexadecimal digits that identify a JSON value, independent of the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
