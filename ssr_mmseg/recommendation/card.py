"""The card of a recommended network, in Markdown: how good and how fast it is, on which data, and its limits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ssr_mmseg.profiling.timing import Timing
from ssr_mmseg.recommendation.intervals import CONFIDENCE, Interval, class_intervals, miou_interval
from ssr_mmseg.recommendation.rule import Ranked, Verdict
from ssr_mmseg.recommendation.runs import Run

FAR = 1.5  # p95 over p50
ROOM = 0.5  # share of the allowed time, below which it is not used
FEW_IMAGES = 30  # of a split, below which intervals are wide and not reliable


KINDS = {
    "searched": "found by the search in its space of networks",
    "random": "a random network of the same space and about the same cost, to show what the search adds",
    "fast_scnn": "Fast-SCNN, a published network for fast segmentation, trained in the same way",
}


@dataclass(frozen=True)
class CardData:
    """All that a card says.

    Attributes:
        name: Name of the experiment.
        dataset: Name of the dataset.
        manifest: Its manifest.
        size: Height and width of the networks' input.
        overlap: Pixels that tiles share; None where images are resized.
        limit: Milliseconds that were allowed; None for any.
        backend: What timed the files.
        device: Name of the device.
        threads: CPU threads of the timing.
        license: License of the data.
        ranked: Networks in the order of the recommendation.
        runs: Their results, by label and seed.
        timings: Their timings, by label and seed.
        absent: Reasons why networks are not compared, by name.
        commit: Commit of the code.
        files: Files next to the card.
    """

    name: str
    dataset: str
    manifest: Mapping[str, Any]
    size: tuple[int, int]
    overlap: int | None
    limit: float | None
    backend: str
    device: str
    threads: int
    license: str | None
    ranked: Sequence[Ranked]
    runs: Mapping[tuple[str, int], Run]
    timings: Mapping[tuple[str, int], Timing]
    absent: Mapping[str, str]
    commit: str
    files: Sequence[str]

    @property
    def chosen(self) -> Ranked | None:
        """The recommended network, if there is one."""
        first = self.ranked[0] if self.ranked else None
        return first if first is not None and first.verdict is Verdict.RECOMMENDED else None


def card(data: CardData) -> str:
    """Return the card as Markdown."""
    sections = [_title(data)]
    if data.chosen is not None:
        sections += [_usage(data), _accuracy(data), _latency(data)]
    sections += [_compared(data), _data(data), _limits(data), _origin(data)]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _title(data: CardData) -> list[str]:
    limit = f"within {data.limit:g} ms" if data.limit else "of any latency"
    if data.chosen is None:
        return ["# No network is recommended", "", _why_none(data)]
    run, timing = _of(data, data.chosen)
    miou = miou_interval(run.counts["val"])
    return [
        f"# {data.name}: {run.label}",
        "",
        f"Of {len(data.ranked)} trained networks, `{run.label}`{_seed(data, run)} is recommended {limit}: "
        f"{timing.p50:.2f} ms per image by {data.backend} on {data.device}, mIoU {miou} % on val.",
        "",
        _reason(data),
    ]


def _why_none(data: CardData) -> str:
    timed = [(timing.p50, key) for key, timing in data.timings.items() if timing.settled]
    if not data.ranked:
        return "No trained network could be exported; see below."
    if not timed:
        return (
            "No latency settled: something else used the machine. Stop it, delete this folder, and run the same "
            "command again."
        )
    fastest, (label, _) = min(timed)
    return (
        f"No network is within {data.limit:g} ms; the fastest, `{label}`, takes {fastest:.2f} ms. Allow more time, or "
        "search for a smaller input."
    )


def _reason(data: CardData) -> str:
    """Return why this network and no other, and whether there is room for a better one."""
    assert data.chosen is not None
    tied = [one for one in data.ranked if one.verdict is Verdict.TIED]
    worse = [one for one in data.ranked if one.verdict is Verdict.LESS_ACCURATE]
    if tied:
        slower = "is slower" if len(tied) == 1 else "are slower"
        reason = f"On val it is as accurate as {_names(data, tied)}, up to chance; {_pronoun(tied)} {slower}."
    elif worse:
        reason = "No other network within the time is as accurate on val, beyond chance."
    else:
        reason = "It is the only one within the time."
    _, timing = _of(data, data.chosen)
    if data.limit and timing.p50 < ROOM * data.limit:
        reason += (
            f" It takes {100 * timing.p50 / data.limit:.0f} % of the time that is allowed: larger images or a larger "
            "space of networks, both of which take more hours, may be more accurate."
        )
    return reason


def _pronoun(networks: Sequence[Ranked]) -> str:
    return "that" if len(networks) == 1 else "these"


def _usage(data: CardData) -> list[str]:
    lines = [
        "## Use it",
        "",
        "```shell",
        "pip install 'ssr-mmseg[runtime]'",
        "ssr-mmseg predict model.onnx photos/ drive.mp4 --out overlays",
        "ssr-mmseg bench model.onnx",
        "```",
        "",
        f"`model.onnx` takes RGB images of {data.size[0]}x{data.size[1]} pixels and returns the class of each pixel; "
        "its metadata give mean, deviation, class names and colors. `predict` resizes by itself.",
        "",
        f"Files: {', '.join(f'`{name}`' for name in data.files)}.",
    ]
    if "weights.pth" in data.files:
        lines += [
            "",
            "`config.py` with `weights.pth` runs in mmsegmentation's tools, for fine-tuning or another export:",
            "",
            "```shell",
            "ssr-mmseg export --genotype genotype.json --weights weights.pth "
            f"--size {data.size[0]}x{data.size[1]} --classes '{','.join(data.manifest['classes'])}' --out other.onnx"
            if "genotype.json" in data.files
            else f"ssr-mmseg export --config config/{data.name}.yaml --dataset {data.dataset} --network "
            f"{data.chosen.candidate.label if data.chosen else ''} --out other.onnx",
            "```",
        ]
    return lines


def _accuracy(data: CardData) -> list[str]:
    assert data.chosen is not None
    run, _ = _of(data, data.chosen)
    splits = [split for split in ("val", "test") if split in run.counts]
    columns = {split: class_intervals(run.counts[split]) for split in splits}
    lines = [
        "## Accuracy",
        "",
        f"Of the exported file, IoU in percent with {CONFIDENCE} % intervals over images (bootstrap). They take images "
        "as independent, so for frames of one video they are too narrow. The choice was "
        f"made on val{'; test was not looked at before' if 'test' in splits else ', so its figures flatter a little'}.",
        "",
        f"| class | {' | '.join(splits)} |",
        f"|---|{'---|' * len(splits)}",
        f"| **mean** | {' | '.join(str(miou_interval(run.counts[split])) for split in splits)} |",
    ]
    for number, name in enumerate(data.manifest["classes"]):
        lines.append(f"| {name} | {' | '.join(_cell(columns[split][number]) for split in splits)} |")
    return lines


def _latency(data: CardData) -> list[str]:
    assert data.chosen is not None
    run, timing = _of(data, data.chosen)
    return [
        "## Latency",
        "",
        "| backend | device | threads | p50 | p95 | frames per second | runs |",
        "|---|---|---|---|---|---|---|",
        f"| {data.backend} | {data.device} | {data.threads} | {timing.p50:.2f} ms | {timing.p95:.2f} ms | "
        f"{timing.fps:.0f} | {timing.runs} |",
        "",
        "`model.onnx` alone, one image, from the normalized image to labels. Reading a frame, resizing and normalizing "
        "it come on top: `ssr-mmseg predict` prints what they take.",
        *(
            ["", "The 95th percentile is far above the median: something else used the machine now and then."]
            if timing.p95 > FAR * timing.p50
            else []
        ),
        "",
        f"{_count(run.params)} parameters, {_count(run.macs)} multiply-adds, {run.record['bytes'] / 1e6:.2f} MB.",
    ]


def _compared(data: CardData) -> list[str]:
    lines = [
        "## Compared",
        "",
        "| network | mIoU val | behind the best within the time | p50 | p95 | |",
        "|---|---|---|---|---|---|",
    ]
    for one in data.ranked:
        run, timing = _of(data, one)
        behind = "" if one.behind is None else str(one.behind)
        times = (f"{value:.2f} ms" for value in (timing.p50, timing.p95)) if timing.settled else ("", "")
        miou = miou_interval(run.counts["val"])
        lines.append(f"| {run.label}{_seed(data, run)} | {miou} | {behind} | {' | '.join(times)} | {one.verdict} |")
    lines += [f"| {name} | | | | | {reason} |" for name, reason in data.absent.items()]
    present = {run.names["network"] for run in data.runs.values()}
    described = [f"- `{name}`: {text}" for name, text in KINDS.items() if name in present]
    lines += ["", *described] if described else []
    lines += [
        "",
        "The rule: of the networks whose latency settled within the time, take the most accurate on val; if others "
        "are as accurate on the same images, up to chance (paired bootstrap), take the fastest of them. The intervals "
        "are over images; what another seed of the training would change is not in them"
        + (", with one seed not known at all." if len({run.seed for run in data.runs.values()}) == 1 else "."),
    ]
    return lines


def _data(data: CardData) -> list[str]:
    manifest = data.manifest
    counts = {split: entry["images"] for split, entry in manifest["splits"].items() if entry}
    sizes = sorted(
        {tuple(size["size"]) for entry in manifest["splits"].values() if entry for size in entry.get("sizes", [])}
    )
    shown = ", ".join(f"{height}x{width}" for height, width in sizes[:5]) + (" and others" if len(sizes) > 5 else "")
    lines = [
        "## Data",
        "",
        f"- {', '.join(f'{count} images for {split}' for split, count in counts.items())}; of {shown} pixels",
        f"- {len(manifest['classes'])} classes: {', '.join(manifest['classes'])}",
        f"- license: {data.license or 'not given'}",
        f"- digest of the prepared data: {manifest['digest']}",
    ]
    return lines + [f"- {note}" for note in manifest.get("notes", [])]


def _limits(data: CardData) -> list[str]:
    lines = ["## Limits", ""]
    if data.overlap is None:
        lines.append(
            f"- images are resized to {data.size[0]}x{data.size[1]}; what is smaller than a few pixels then is lost"
        )
    else:
        lines.append(f"- the latency is of one tile of {data.size[0]}x{data.size[1]}; a whole image takes several")
    val = data.manifest["splits"]["val"]["images"]
    if val < FEW_IMAGES:
        lines.append(f"- val has {val} images only: the intervals are wide, and a tie is likely")
    lines += [f"- {warning}" for warning in data.manifest.get("warnings", [])]
    lines.append("- measured on images like those of the data; expect less with other cameras, places or seasons")
    return lines


def _origin(data: CardData) -> list[str]:
    return [
        "## Made by",
        "",
        f"`ssr-mmseg` at commit {data.commit}, from `config/{data.name}.yaml` if `fit` wrote it. "
        "`recommendation.json` has these figures for programs.",
    ]


def _of(data: CardData, one: Ranked) -> tuple[Run, Timing]:
    key = (one.candidate.label, one.candidate.seed)
    return data.runs[key], data.timings[key]


def _seed(data: CardData, run: Run) -> str:
    return f" of seed {run.seed}" if len({other.seed for other in data.runs.values()}) > 1 else ""


def _names(data: CardData, ranked: Sequence[Ranked]) -> str:
    names = [f"`{one.candidate.label}`{_seed(data, _of(data, one)[0])}" for one in ranked]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _cell(interval: Interval | None) -> str:
    return "" if interval is None else str(interval)


def _count(number: int | None) -> str:
    if number is None:
        return "an unknown number of"
    return f"{number / 1e9:.2f} G" if number >= 1e9 else f"{number / 1e6:.2f} M"
