"""The whole configuration, and its small sections."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from ssr_mmseg.settings.models.ablation import Ablation
from ssr_mmseg.settings.models.base import FolderName, Name, PluginSettings, Section, Seeds, UniqueList, optional
from ssr_mmseg.settings.models.contest import Contest
from ssr_mmseg.settings.models.datasets import DatasetEntry
from ssr_mmseg.settings.models.networks import Rival, entry_tag
from ssr_mmseg.settings.models.recommend import Recommend
from ssr_mmseg.settings.models.search import Discretize, Search
from ssr_mmseg.settings.models.timing import Latency, Profile
from ssr_mmseg.settings.models.training import Evaluate, Retrain
from ssr_mmseg.utils.limits import MAX_THREADS


class Threads(Section):
    """CPU threads of a training job. Changing them reruns nothing; results may differ by rounding."""

    search: int = Field(ge=1, le=MAX_THREADS, description="CPU threads of a search. Changing this reruns nothing.")
    retrain: int = Field(
        ge=1,
        le=MAX_THREADS,
        description="CPU threads of a retraining and of its evaluation. Changing this reruns nothing, though results "
        "may differ by rounding.",
    )


class Monitor(Section):
    """The monitoring of trainings while they run. Nothing here changes a result or reruns anything."""

    validation: float = Field(
        ge=0,
        le=1,
        description="Largest share of the training time for measuring mIoU on val: after the first epoch, and after "
        "later ones as far as the share allows. 0: never. The values are shown, and never used to choose.",
    )
    tensorboard: bool = Field(
        description="Whether to write losses, gates and predictions as TensorBoard's event files to the `log` folder "
        "of each training, for `tensorboard --logdir results`. Needs `pip install tensorboard`. Neither key of "
        "`monitor` changes a result or reruns anything."
    )


class Experiment(Section):
    """An experiment: networks, data and lengths of training. Omitted keys have the values of config/config.yaml."""

    name: FolderName | None = Field(
        description="Folder of the results below `results/`, so that experiments do not replace each other's. null: "
        "`results/` itself. A named experiment's table is `results/<name>/table.csv`."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        description="Where to train and time networks. `auto`: CUDA if there is a usable GPU, else the CPU. `cuda` "
        "without one is an error. Jobs submitted to a cluster request a GPU with either. Changing this reruns the "
        "timing but no training."
    )
    seeds: Seeds = Field(description="Each seed is a search of its own and a retraining of every network.")
    networks: UniqueList[
        Annotated[
            Annotated[Name, Tag("<name>")] | Annotated[Rival, Tag("<mapping>")],
            Discriminator(entry_tag),
        ]
    ] = Field(
        min_length=1,
        max_length=1000,
        description="Rows of the table; all but ONNX files are trained by the same recipe. `searched`: what the search "
        "finds. `random` "
        "(and `random_2`, `random_3` … for more draws): a random network of the space with about its cost. `uniform`: "
        "a network of that cost that nobody searched, with equal widths. `random_search`, `evolution`, `local_search` "
        "and `darts_pt` search in other ways (docs/contest.md). Any other name is a genotype "
        "`config/genotypes/<name>.json` or a baseline `config/mmseg/_base_/models/<name>.py`. A mapping is a rival: a "
        "network that others have trained, as an ONNX file (docs/rivals.md).",
    )
    datasets: dict[FolderName, DatasetEntry] = Field(
        min_length=1,
        max_length=200,
        description="The datasets by name. The name is the folder of the results and the first column of the table.",
    )
    selectors: dict[Name, PluginSettings] = Field(
        max_length=100,
        description="Arguments of the selectors among the networks, by the selector's name, such as "
        "`random_search: {epochs: 0.5}`; see the classes in `ssr_mmseg/search/selectors/`.",
    )
    search: Search
    latency: Latency
    discretize: Discretize
    retrain: Retrain
    evaluate: Evaluate
    profile: Profile
    recommend: Recommend
    threads: Threads
    monitor: Monitor
    contest: Contest
    ablation: Ablation = optional("Searches to compare; leave the section out if you do not need any.")
