"""Colors of classes that have none of their own."""

import colorsys


def distinct_colors(count: int) -> list[list[int]]:
    """Return `count` distinct colors, RGB: the hue advances by the golden angle."""
    wheel = [colorsys.hsv_to_rgb(number * 0.381966 % 1, 0.75, 0.95) for number in range(count)]
    return [[round(255 * channel) for channel in color] for color in wheel]
