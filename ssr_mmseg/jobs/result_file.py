"""JSON results of earlier stages, read so that a missing one names the command that makes it."""

from pathlib import Path
from typing import Any

from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json


class Result:
    """A result; `result[key, …]` reads a value or says which file lacks it.

    Raises:
        UserError: the file is missing, no JSON, not of its kind's schema, or (when read from) lacks a key.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"{path} is missing; make it with: snakemake --cores all {path}")
        self.value = read_json(self.path)
        kind = f"results/{self.path.stem}"
        if json_schema.has_schema(
            kind
        ):  # what stands in it is of the expected kind; what lacks is told when it is read
            json_schema.check(
                self.value, kind, str(path), f"delete it and make it anew with: snakemake --cores all {path}"
            )

    def __getitem__(self, keys: Any) -> Any:
        value = self.value
        for key in keys if isinstance(keys, tuple) else (keys,):
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError) as error:
                raise UserError(
                    f"{self.path} has no {key!r}; delete it and make it anew with: snakemake --cores all {self.path}"
                ) from error
        return value
