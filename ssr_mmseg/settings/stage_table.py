"""The stages of the workflow: every kind of job with its name, version, results and log.

The rules, the command line, `status` and the report read this table. A new stage is one entry here, one function in
`ssr_mmseg/stages/` and one rule in `workflow/rules/`.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ssr_mmseg.settings import paths

# Wildcards of results, in the order in which they appear in a job's name, with the prefix of each.
WILDCARDS = {"dataset": "", "seed": "seed", "network": "", "stage": ""}


@dataclass(frozen=True)
class Stage:
    """One kind of job: a rule of the workflow and the subcommand that it runs.

    Attributes:
        name: Name of the rule. The subcommand has dashes instead of underscores.
        version: Increment it when a code change alters the results, so that Snakemake reruns the stage.
        function: The function that does the work, as `module:name`. It is called with the configuration and the values
            of the wildcards.
        summary: What the stage does, for the command line's help.
        outputs: Patterns of the result files. The last one is written last, so the job is done when it exists.
        record: Key of the JSON output that says what the result was made from; empty if none does.
        trains: Whether the stage trains, so that it takes a time budget and can run one process per GPU.
    """

    name: str
    version: int
    function: str
    summary: str
    outputs: Mapping[str, str]
    record: str = ""
    trains: bool = False

    @property
    def command(self) -> str:
        """Name of the subcommand."""
        return self.name.replace("_", "-")

    @property
    def result(self) -> str:
        """Pattern of the file that is written last."""
        return list(self.outputs.values())[-1]

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Names of the wildcards in the results; none for a stage that joins all results."""
        fields = {field for _, field, _, _ in string.Formatter().parse(self.result) if field}
        return tuple(name for name in WILDCARDS if name in fields)

    @property
    def pattern(self) -> str:
        """Pattern of the names of its jobs, such as `search/{dataset}-seed{seed}`."""
        parts = "-".join(f"{WILDCARDS[name]}{{{name}}}" for name in self.wildcards)
        return f"{self.name}/{parts}" if parts else self.name

    @property
    def log(self) -> str:
        """Pattern of its log files."""
        return paths.LOG.format(job=self.pattern)

    @property
    def benchmark(self) -> str:
        """Pattern of Snakemake's benchmark files."""
        return paths.BENCHMARK.format(job=self.pattern)

    def job_name(self, **values: Any) -> str:
        """Return the name of a job in the folders of logs and progress, such as `retrain/streets-seed0-erfnet`."""
        return self.pattern.format(**values)

    def arguments(self, **values: Any) -> list[str]:
        """Return the command-line arguments of a job, without the configuration."""
        return [self.command, *(word for name in self.wildcards for word in (f"--{name}", str(values[name])))]


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "prepare",
            3,
            "ssr_mmseg.stages.prepare:prepare",
            "fetch or render a dataset, verify it and count its classes",
            {"manifest": paths.MANIFEST},
            record="manifest",
        ),
        Stage(
            "latency_table",
            2,
            "ssr_mmseg.stages.latency_table:latency_table",
            "measure the operators of the search space on this device",
            {"table": paths.LATENCY_TABLE},
            record="table",
        ),
        Stage(
            "search",
            3,
            "ssr_mmseg.stages.search:search",
            "train the supernet, starting with every option alive",
            {"state": paths.SEARCH_STATE, "metrics": paths.SEARCH_METRICS},
            record="metrics",
            trains=True,
        ),
        Stage(
            "shrink",
            3,
            "ssr_mmseg.stages.search:search",
            "compact the supernet and continue the search",
            {"state": paths.SHRINK_STATE, "metrics": paths.SHRINK_METRICS},
            record="metrics",
            trains=True,
        ),
        Stage(
            "discretize",
            1,
            "ssr_mmseg.stages.discretize:discretize",
            "write the genotype of the surviving options",
            {"genotype": paths.GENOTYPE, "report": paths.DISCRETIZATION},
            record="report",
        ),
        Stage(
            "select",
            2,
            "ssr_mmseg.stages.select:select",
            "choose another genotype of about the same cost as the searched one",
            {"record": paths.SELECTION, "genotype": paths.SELECTED},
            record="record",
            trains=True,
        ),
        Stage(
            "retrain",
            3,
            "ssr_mmseg.stages.retrain:retrain",
            "train a network from scratch",
            {"config": paths.NETWORK_CONFIG, "weights": paths.WEIGHTS, "training": paths.TRAINING},
            record="training",
            trains=True,
        ),
        Stage(
            "evaluate",
            2,
            "ssr_mmseg.stages.evaluate:evaluate",
            "measure mIoU, also of the exported file, and save pictures of predictions",
            {"per_image": paths.PER_IMAGE, "evaluation": paths.EVALUATION},
            record="evaluation",
        ),
        Stage(
            "profile",
            3,
            "ssr_mmseg.stages.profile:profile",
            "measure parameters, multiply-adds and latency",
            {"profile": paths.PROFILE},
            record="profile",
        ),
        Stage(
            "gap",
            1,
            "ssr_mmseg.stages.gap:write_gap",
            "compare the mIoU of the supernet, relaxed and one-hot, with that of the retrained network",
            {"gap": paths.GAP},
            record="gap",
        ),
        Stage(
            "table",
            3,
            "ssr_mmseg.stages.table:write_table",
            "join all results in results/table.csv",
            {"table": paths.TABLE},
        ),
        Stage(
            "summary",
            1,
            "ssr_mmseg.stages.summary:write_summary",
            "average over the seeds in results/summary.csv, and choose a seed",
            {"summary": paths.SUMMARY},
        ),
        Stage(
            "peers",
            1,
            "ssr_mmseg.stages.peers:write_peers",
            "list all profiled networks next to published ones in results/peers.csv",
            {"peers": paths.PEERS},
        ),
        Stage(
            "ablation",
            3,
            "ssr_mmseg.stages.ablation:write_ablation",
            "compare the searches of the ablation in results/ablation.csv and .md",
            {"table": paths.ABLATION, "text": paths.ABLATION_REPORT},
        ),
        Stage(
            "rank",
            1,
            "ssr_mmseg.stages.rank:rank",
            "score random networks by the weights that they inherit from trained supernets",
            {"rank": paths.RANK},
            record="rank",
        ),
        Stage(
            "contest",
            1,
            "ssr_mmseg.stages.contest:write_contest",
            "compare searched networks with those of selectors in results/contest.csv and .md",
            {"table": paths.CONTEST, "text": paths.CONTEST_REPORT},
        ),
        Stage(
            "recommend",
            1,
            "ssr_mmseg.stages.recommend:recommend",
            "choose the network to ship, and write it with a card to results/recommended",
            {"recommendation": paths.RECOMMENDATION, "card": paths.CARD},
        ),
        Stage(
            "report",
            2,
            "ssr_mmseg.report:write_report",
            "write the results obtained so far as a page, results/report/index.html",
            {"sheet": paths.PREDICTION_SHEET, "page": paths.REPORT},
        ),
        Stage(
            "figures",
            1,
            "ssr_mmseg.report:write_figures",
            "write the report's figures as SVG and PNG files in results/figures",
            {"figures": paths.FIGURES},
        ),
    )
}


def search_stage(number: int) -> Stage:
    """Return the stage of a search by its number: 0 is `search`, 1 to K are `shrink`."""
    return STAGES["shrink" if number else "search"]
