"""Register every component in the registries of mmsegmentation; for `custom_imports` of an mmengine config."""
# ruff: noqa: F401

import ssr_mmseg.datasets
import ssr_mmseg.datasets.transforms
import ssr_mmseg.models.decode_heads
import ssr_mmseg.models.derived_network
import ssr_mmseg.models.losses
import ssr_mmseg.models.supernet
import ssr_mmseg.search.graph_hook
import ssr_mmseg.search.hooks
import ssr_mmseg.search.loop
import ssr_mmseg.training.bfloat16
import ssr_mmseg.training.data.preprocessor
import ssr_mmseg.training.data.seeded_dataset
import ssr_mmseg.training.distillation.mutual_hook
import ssr_mmseg.training.distillation.teacher_hook
import ssr_mmseg.training.hooks.compile_hook
import ssr_mmseg.training.hooks.ema_hook
import ssr_mmseg.training.hooks.history_hook
import ssr_mmseg.training.hooks.progress_hook
import ssr_mmseg.training.hooks.runtime_info_hook
import ssr_mmseg.training.hooks.state_hook
import ssr_mmseg.training.hooks.tensorboard_hook
import ssr_mmseg.training.hooks.validation_hook
import ssr_mmseg.training.initial_weights
import ssr_mmseg.training.loop
import ssr_mmseg.training.scalar_visualizer
