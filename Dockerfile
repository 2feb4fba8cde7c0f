# The environment of the locks with the package, to run the workflow in a folder that is mounted at /lab:
#   docker build --tag ssr-mmseg .
#   docker run --rm --init --user "$(id -u):$(id -g)" --volume "$PWD:/lab" ssr-mmseg snakemake --cores 8
# PyPI's torch brings its CUDA libraries, so the image also computes on GPUs (`--gpus all`) and needs no CUDA base.

FROM python:3.11-slim AS environment
# OpenCV's wheel links to the first two, and the cloud engines' jobs need the others (docs/engines.md).
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 git rsync \
    && rm -rf /var/lib/apt/lists/*
# The locks before the package: a change of the sources then installs nothing again. As in the Makefile's `setup`, pip's
# build isolation hides torch from onedl-mmcv, which so builds in seconds and without a compiler.
COPY requirements.lock requirements-cuda.lock /tmp/
# An index with PyTorch's build for CPUs, which requires no CUDA libraries, makes an image of less than half the size.
ARG PIP_EXTRA_INDEX_URL
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement /tmp/requirements.lock \
    && if pip check | grep '^torch .* requires'; then \
        pip install --no-cache-dir --no-deps --require-hashes --requirement /tmp/requirements-cuda.lock; \
    fi

# In a stage of its own, so that the image has the sources once: in the package.
FROM environment AS wheel
COPY . /source
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels /source

FROM environment
COPY --from=wheel /wheels /tmp/wheels
RUN pip install --no-cache-dir --no-deps /tmp/wheels/*.whl && pip check
# `docker run --user` may name a user that the image does not know, who needs a name and a home for caches, too.
RUN useradd --create-home ssr && chmod 1777 /home/ssr && install --directory --owner ssr --mode 1777 /lab
ENV HOME=/home/ssr USER=ssr
USER ssr
WORKDIR /lab
# No entry point: engines and people start snakemake, ssr-mmseg and python alike.
CMD ["ssr-mmseg", "--help"]
