"""The examples of docs/extending.md: the files that it shows, and the patch that adds a search dimension."""

import re

from ssr_mmseg.settings.paths import PROJECT

TEXT = (PROJECT / "docs/extending.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"^`([^`\n]+\.py)`:\n\n```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
(PATCH,) = re.findall(r"^```diff\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
