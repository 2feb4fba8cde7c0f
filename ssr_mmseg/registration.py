"""Import this to have every component in mmsegmentation's registries (`custom_imports` in an mmengine config)."""
# ruff: noqa: F401

import ssr_mmseg.datasets
import ssr_mmseg.datasets.transforms
import ssr_mmseg.models.decode_heads
import ssr_mmseg.models.derived_network
import ssr_mmseg.models.losses
import ssr_mmseg.models.supernet
import ssr_mmseg.search.hooks
import ssr_mmseg.search.loop
import ssr_mmseg.training.averaging
import ssr_mmseg.training.board
import ssr_mmseg.training.data
import ssr_mmseg.training.hooks
import ssr_mmseg.training.loop
import ssr_mmseg.training.precision
import ssr_mmseg.training.preprocessing
import ssr_mmseg.training.progress
import ssr_mmseg.training.speed
import ssr_mmseg.training.validation
from ssr_mmseg.checkpoints import forbid_unpickling

forbid_unpickling()
