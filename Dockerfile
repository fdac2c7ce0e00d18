# The service in a container. What bubblewrap needs of it, and what that gives up: docs/install.md.
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/coding-agent \
    && /opt/coding-agent/bin/pip install --no-cache-dir --constraint constraints.txt '.[postgres]'

FROM python:3.12-slim-bookworm
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap git libseccomp2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/coding-agent /opt/coding-agent
ENV PATH=/opt/coding-agent/bin:$PATH \
    CODING_AGENT_DATA_DIR=/var/lib/coding-agent \
    CODING_AGENT_LOG_FORMAT=json
VOLUME /var/lib/coding-agent
EXPOSE 8000
# No USER: as root each run has a uid of its own, and none of them can read what the service keeps.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import socket; socket.create_connection(('127.0.0.1', 8000), 3)"]
CMD ["coding-agent", "serve", "--host", "0.0.0.0"]
