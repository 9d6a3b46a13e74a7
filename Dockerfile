# fingen in a container, on the CPU: docker build -t fingen .   (fingen help container)
# An extra: docker build --build-arg EXTRAS=review,baseline -t fingen .
FROM python:3.11-slim

ARG EXTRAS=""

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE NOTICE ./
COPY fingen ./fingen
COPY prompts ./prompts
RUN pip install --constraint constraints.txt ".${EXTRAS:+[$EXTRAS]}" \
    && useradd --create-home --uid 10001 fingen \
    && mkdir -p /data/reports /data/build \
    && chown -R fingen:fingen /data

USER 10001
WORKDIR /data
VOLUME ["/data/reports", "/data/build"]
ENTRYPOINT ["fingen"]
CMD ["--help"]
