"""Configurations as Snakemake reads them after a profile of the project: templates with code, and deep or wide YAML."""

from pathlib import Path

import snakemake.cli  # noqa: F401  imported before documents are watched
import yte
from hypothesis import strategies as st
from mutations import damaged
from snakemake.common import configfile
from snakemake.exceptions import WorkflowError

from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.errors import UserError

CODE = st.sampled_from(
    ["__import__('os').system('true')", "__import__('subprocess').run('true')", "open('/tmp/harm', 'w')", "1 / 0"]
)
SWITCH = st.sampled_from(
    ["__use_yte__: true\n", '"__use\\x5fyte__": yes\n', "<<: {__use_yte__: 1}\n", "__use_yte__: '1'\n", ""]
)


@st.composite
def _templates(draw: st.DrawFn) -> bytes:
    """Draw a template of yte that runs code, or a document that would exhaust a parser."""
    code = draw(CODE)
    levels = draw(st.integers(2, 40))
    body = draw(
        st.sampled_from(
            [
                f"device: ?{code}\n",
                f'__definitions__: ["{code}"]\n',
                f"__variables__: {{x: \"?{code}\"}}\ndevice: '?x'\n",
                f'? "?if {code}"\n: {{device: cpu}}\n',
                f'"?for x in [{code}]": {{device: cpu}}\n',
                f'device: !!python/object/apply:eval ["{code}"]\n',
                "".join(f"x{n}: &x{n} [{f'*x{n - 1}, ' * 9 if n else 1}]\n" for n in range(levels)),
                "[" * 10 ** draw(st.integers(1, 5)),
                "device: cpu\n" + "#" * 2 ** draw(st.integers(1, 21)),
            ]
        )
    )
    return (draw(SWITCH) + body).encode()


def _read(document: bytes, _: Path) -> None:
    Path("config.yaml").write_bytes(document)
    before = configfile._load_configfile
    try:
        with open(PROJECT / "profiles/default/profile.yaml", encoding="utf-8") as profile:
            yte.process_yaml(profile, require_use_yte=True)
        configfile.load_configfile(Path("config.yaml"))
    except (SystemExit, WorkflowError) as error:
        raise UserError(str(error)) from error
    finally:
        configfile._load_configfile = before


SNAKEMAKE = {
    "configurations for Snakemake": (
        damaged(_templates()),
        _read,
        b"device: cpu\n",
        b"device: !!python/object/apply:eval ['1']\n",
    )
}
