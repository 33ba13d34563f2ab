# whence in a container: both commands, run by a user of no rights, with /data to work in.
#
#   docker build --tag whence .
#   docker run --rm --volume "$PWD:/data" whence attribute --image gen.png --prompt "…" --offline
#
# Not tried: this file was written where there is no container engine. What it runs (a wheel built
# from this folder, installed with constraints.txt into an environment of its own) is tested by
# tests/e2e/test_wheel.py without one.

FROM python:3.13-slim-bookworm AS build
WORKDIR /source
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/whence
# What it needs comes first, so that a changed line of code does not install all of it anew.
COPY constraints.txt pyproject.toml ./
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > needed.txt \
    && /opt/whence/bin/pip install --constraint constraints.txt --requirement needed.txt
COPY README.md LICENSE ./
COPY harvester harvester
COPY attribution attribution
RUN /opt/whence/bin/pip install --no-deps .

FROM python:3.13-slim-bookworm
COPY --from=build /opt/whence /opt/whence
RUN useradd --create-home --uid 10001 whence && install --directory --owner whence /data
ENV PATH=/opt/whence/bin:$PATH PYTHONUNBUFFERED=1
USER whence
WORKDIR /data
CMD ["attribute", "--help"]
