# coldbench in a container; runs, data and caches lie in /work, which the host lends it.
#   docker build --target cpu  -t coldbench .
#   docker build --target cuda -t coldbench:cuda .
#   docker run --rm -u "$(id -u)" -v "$PWD:/work" coldbench run quick
#   docker run --rm -u "$(id -u)" -v "$PWD:/work" --gpus all coldbench:cuda run quick
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS wheel
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir "build==1.6.0" \
    && python -m build --wheel --outdir /wheels

# learn2learn is compiled: where it cannot be, its two rows read unavailable
FROM python:${PYTHON}-slim-bookworm AS packages
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc g++ \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv /opt/coldbench
ENV PATH=/opt/coldbench/bin:$PATH
COPY constraints.txt requirements-nodeps.txt /tmp/
RUN pip install --no-cache-dir --no-deps -r /tmp/requirements-nodeps.txt \
    || (grep -v ^learn2learn /tmp/requirements-nodeps.txt > /tmp/nodeps.txt \
        && pip install --no-cache-dir --no-deps -r /tmp/nodeps.txt)
COPY --from=wheel /wheels /wheels

FROM packages AS packages-cpu
# an index of builds without CUDA, a tenth as large
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir --index-url "$TORCH_INDEX" "torch==2.13.0+cpu" \
    && pip install --no-cache-dir -c /tmp/constraints.txt "$(ls /wheels/*.whl)[serve,tune,prompt,r]"

FROM packages AS packages-cuda
RUN pip install --no-cache-dir -c /tmp/constraints.txt "$(ls /wheels/*.whl)[serve,tune,prompt,r]"

FROM python:${PYTHON}-slim-bookworm AS base
RUN mkdir /work && chown 1000 /work
ENV PATH=/opt/coldbench/bin:$PATH COLDBENCH_CACHE=/work/.cache HOME=/work
USER 1000
WORKDIR /work
VOLUME /work
ENTRYPOINT ["coldbench"]
CMD ["--help"]

# the driver is the host's (nvidia-container-toolkit), CUDA's libraries come with torch
FROM base AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=packages-cuda /opt/coldbench /opt/coldbench

FROM base AS cpu
COPY --from=packages-cpu /opt/coldbench /opt/coldbench
