"""Build hook of the wheel: it adds the files of a checkout that the package reads, as `ssr_mmseg/project/`."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = ("Snakefile", "config", "environment.yaml", "profiles", "requirements.lock", "workflow")


class ProjectFiles(BuildHookInterface):
    """Adds the project's files to a wheel, but not to an editable one, which reads those of the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"] |= {name: f"ssr_mmseg/project/{name}" for name in FILES}
