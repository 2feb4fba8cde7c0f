"""Largest numbers that the command line and a configuration accept: far above use, far below what exhausts a machine.

`settings.models` and the types of the command line's options (`option_types`) both read them here.
"""

MAX_SEED = 2**32 - 1  # NumPy's generators take no larger one
MAX_CLASSES = 256  # labels are bytes
MIN_CLASSES = 2  # a network that always says the same needs no training
MAX_SIDE = 8192  # pixels
MAX_INPUT_PIXELS = 2**24  # of all images of one run: 8 frames of Cityscapes, or one of 4096 x 4096
MAX_BATCH = 256  # images per run of an exported or timed network
MAX_TRAINING_BATCH = 65_536  # images per step, over all GPUs
MAX_THREADS = 1024
MAX_FRAMES = 1_000_000_000  # of a camera: a year at 30 per second
MAX_SECONDS = 31_536_000  # a year
MAX_HOURS = 8760.0  # a year
MAX_MILLISECONDS = 1e6
MAX_BENCH_RUNS = 1_000_000
MAX_STAGES = 1000  # shrinking stages
MAX_EPOCHS = 1_000_000
MAX_STEPS = 1_000_000_000  # of a training
MAX_POINTS = 64  # widths to measure per group: the parts grow with the third power
MAX_ROUNDS = 10_000  # timed runs of a part of a latency table
MAX_FORECAST_STEPS = 10_000


def pixels_problem(height: int, width: int, images: int = 1) -> str | None:
    """Return what is wrong with the number of pixels that one run of a network takes; None if nothing is."""
    if height * width * images <= MAX_INPUT_PIXELS:
        return None
    batch = f"{images} images of " if images > 1 else ""
    return f"at most {MAX_INPUT_PIXELS} pixels at once, found {batch}{height}x{width}"
