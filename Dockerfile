# The runtime without TensorFlow: serves bundles, which carry their compiled programs.
#
#   docker build -t warmstart .
#   docker run --rm -p 8000:8000 -v "$PWD/flowers:/models/flowers:ro" warmstart flowers=/models/flowers
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY scripts/readme_for_index.py ./scripts/
COPY src ./src
RUN python -m venv /opt/warmstart \
    && /opt/warmstart/bin/pip install --no-cache-dir --disable-pip-version-check '.[serve,series]'

FROM python:3.12-slim-bookworm
RUN useradd --system --create-home --home-dir /var/lib/warmstart --uid 10001 warmstart
COPY --from=build /opt/warmstart /opt/warmstart
ENV PATH=/opt/warmstart/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    WARMSTART_HOME=/var/lib/warmstart/cache
USER 10001
WORKDIR /var/lib/warmstart
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/v2/health/live', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["warmstart", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["efficientnet_lite0"]
