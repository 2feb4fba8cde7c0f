"""SVG drawings of genotypes, block by block: dilation, resolution, widths, and dropped blocks.

A block's drawing shows its kernel as a cross of taps, spread by the dilation. Taps are large squares if the block works
at half resolution. Below them, two bars show its mid and out width as shares of the stage's channels.
"""

import math
from collections.abc import Sequence

from ssr_mmseg.architecture.genotype import Block, Genotype
from ssr_mmseg.report.style import FONT, on_paper, role

WIDTH, HEIGHT = 76, 172  # of one block's drawing, in pixels
BAR = 64  # height of a bar at full width
GAP = 8


def block_text(number: int, block: Block, channels: int) -> str:
    """Describe a block in words."""
    resolution = "full resolution" if block.resolution == 1 else f"1/{block.resolution} resolution"
    return (
        f"Block {number}: dilation {block.dilation}, {resolution}, "
        f"mid width {block.mid} and out width {block.out} of {channels}"
    )


def block_drawing(block: Block, channels: int) -> str:
    """Return the SVG elements of one block, WIDTH × HEIGHT pixels."""
    half = block.resolution > 1
    accent = role("vermillion" if half else "blue")
    center, middle = WIDTH / 2, 34
    reach = 5 + 4.2 * math.log2(block.dilation)
    taps = [(0, 0), (-reach, 0), (reach, 0), (0, -reach), (0, reach)]
    parts = [
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="7" fill="{role("paper")}" '
        f'stroke="{role("line")}"/>',
        f'<path d="M{center - reach:g} {middle}h{2 * reach:g}M{center} {middle - reach:g}v{2 * reach:g}" '
        f'stroke="{role("line")}" stroke-width="1.5"/>',
    ]
    if half:
        parts += [
            f'<rect x="{center + x - 3.5:g}" y="{middle + y - 3.5:g}" width="7" height="7" fill="{accent}"/>'
            for x, y in taps
        ]
    else:
        parts += [f'<circle cx="{center + x:g}" cy="{middle + y:g}" r="2.6" fill="{accent}"/>' for x, y in taps]
    parts.append(
        _text(center, 76, f"d {block.dilation}" + (f" · 1/{block.resolution}" if half else ""), "ink", 12, 600)
    )
    bottom = 88 + BAR
    for offset, width, label in ((-17, block.mid, "mid"), (17, block.out, "out")):
        filled = BAR * width / channels
        parts += [
            f'<rect x="{center + offset - 13:g}" y="88" width="26" height="{BAR}" rx="2" fill="{role("line")}" '
            'fill-opacity="0.45"/>',
            f'<rect x="{center + offset - 13:g}" y="{bottom - filled:.2f}" width="26" height="{filled:.2f}" rx="2" '
            f'fill="{accent}" fill-opacity="{0.45 if label == "mid" else 1}"/>',
            _text(center + offset, bottom + 12, f"{width}", "ink", 10.5),
        ]
    return "".join(parts)


def dropped_drawing() -> str:
    """Return the SVG elements of a dropped block."""
    return (
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="7" fill="none" stroke="{role("line")}" '
        f'stroke-dasharray="4 4"/>' + _text(WIDTH / 2, HEIGHT / 2 + 4, "dropped", "muted", 11)
    )


def _text(x: float, y: float, text: str, color: str, size: float, weight: int = 400, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" font-family="{FONT}" font-size="{size:g}" '
        f'font-weight="{weight}" fill="{role(color)}">{text}</text>'
    )


def stage_blocks(genotype: Genotype, depths: Sequence[int]) -> list[dict]:
    """Return the stages of a genotype for a template: a heading, and the text and SVG elements of each block.

    Args:
        depths: Number of blocks of each stage in the search space; those the genotype lacks are drawn as dropped.
    """
    stages = []
    for number, (stage, depth) in enumerate(zip(genotype.stages, depths, strict=False), start=1):
        drawn = [
            (block_text(position, block, stage.channels), block_drawing(block, stage.channels))
            for position, block in enumerate(stage.blocks, start=1)
        ]
        left_out = range(len(drawn) + 1, depth + 1)
        drawn += [(f"Block {position}: dropped", dropped_drawing()) for position in left_out]
        blocks = [{"text": text, "svg": svg, "width": WIDTH, "height": HEIGHT} for text, svg in drawn]
        kept = f"{len(stage.blocks)} of {depth} blocks kept" if depth else f"{len(stage.blocks)} blocks"
        heading = f"Stage {number} at 1/{4 * number} of the input · up to {stage.channels} channels · {kept}"
        stages.append({"heading": heading, "blocks": blocks})
    return stages


def genotype_svg(title: str, genotype: Genotype, depths: Sequence[int]) -> str:
    """Draw a whole genotype as an SVG file on a white background, one stage below the other.

    Args:
        title: Heading of the drawing; must not contain markup.
    """
    stages = stage_blocks(genotype, depths)
    columns = max(len(stage["blocks"]) for stage in stages)
    width = max(2 * 16 + columns * (WIDTH + GAP) - GAP, 460)
    parts, y = [_text(16, 30, title, "ink", 16, 600, "start")], 48
    for stage in stages:
        parts.append(_text(16, y + 12, stage["heading"], "muted", 12, 400, "start"))
        y += 22
        for index, block in enumerate(stage["blocks"]):
            parts.append(f'<g transform="translate({16 + index * (WIDTH + GAP)} {y})">{block["svg"]}</g>')
        y += HEIGHT + 18
    return on_paper(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}">'
        f'<rect width="100%" height="100%" fill="{role("paper")}"/>{"".join(parts)}</svg>\n'
    )
