# The checkout with its environment, for one machine or as the image of a cluster's nodes (docs/cluster.md).
#
#   docker build -t highways .
#   docker build -t highways --build-arg TORCH="torch==2.13.0 --index-url ..." .
#
# The first takes the torch that pip takes, checked by its hash: on x86 Linux the CUDA build, which runs without a GPU,
# too, and is several gigabytes larger. The second names another build, such as the one for CPUs.
ARG BASE=python:3.11-slim-bookworm
# hadolint ignore=DL3006
FROM ${BASE}

# DVC and `make` need these; their versions follow the base image.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# The user 1000 owns the checkout: what a container writes into a mounted folder belongs to no root.
RUN useradd --uid 1000 --create-home highways
USER 1000
WORKDIR /home/highways/highways
COPY --chown=highways:highways . .

ARG TORCH=
ARG RAY=ray==2.60.0
RUN make setup TORCH="${TORCH}" \
    && .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check "${RAY}" \
    && rm -rf /home/highways/.cache/pip
ENV PATH=/home/highways/highways/.venv/bin:${PATH} \
    MLFLOW_DISABLE_TELEMETRY=true \
    RAY_USAGE_STATS_ENABLED=0

CMD ["make", "repro"]
