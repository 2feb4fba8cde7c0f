"""Result files of earlier stages; the error for a missing one names the command that makes it."""

from pathlib import Path
from typing import Any

from ssr_mmseg.utils import json_schema
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json


class Result:
    """A JSON result file; `result[key, …]` returns a value.

    Raises:
        UserError: The file is missing, is not JSON or violates its schema, or, on access, lacks a key.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise UserError(f"{path} is missing; make it with: snakemake --cores all {path}")
        self.value = read_json(self.path)
        kind = f"results/{self.path.stem}"
        if json_schema.has_schema(kind):  # checks types; a missing key is reported on access
            remedy = f"delete it and make it again with: snakemake --cores all {path}"
            json_schema.check(self.value, kind, str(path), remedy)

    def __getitem__(self, keys: Any) -> Any:
        value = self.value
        for key in keys if isinstance(keys, tuple) else (keys,):
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError) as error:
                raise UserError(
                    f"{self.path} has no {key!r}; delete it and make it again with: snakemake --cores all {self.path}"
                ) from error
        return value
