# One image for every role; the command says which: api, relay, fulfillment, carrier-sim, migrate.
# The base is pinned by its tag; a release pins the digest too: --build-arg PYTHON_IMAGE=python:…@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN apt-get update -q && apt-get install -q -y --no-install-recommends binutils
WORKDIR /build
RUN python -m venv /opt/orderflow
COPY requirements.lock requirements-mssql.lock ./
RUN /opt/orderflow/bin/pip install --quiet --no-compile --require-hashes -r requirements.lock
# DATABASE=mssql adds the driver for SQL Server.
ARG DATABASE=
RUN [ "$DATABASE" != mssql ] \
    || /opt/orderflow/bin/pip install --quiet --no-compile --require-hashes -r requirements-mssql.lock
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/orderflow/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir wheels . \
    && /opt/orderflow/bin/pip install --quiet --no-compile --no-deps wheels/*.whl \
    && /opt/orderflow/bin/pip uninstall --quiet --yes setuptools pip
# Debug symbols, test support and the grammars of 500 languages (only Python's tracebacks are ever coloured) are a third
# of what the wheels bring.
RUN cd /opt/orderflow/lib/python3.11/site-packages \
    && find . -name '*.so' -exec strip --strip-unneeded {} + \
    && rm -rf alembic/testing mako/testing sqlalchemy/testing \
    && find pygments/lexers -name '[a-z]*.py' ! -name python.py ! -name special.py -delete
# Importing every module proves that the lock is complete, and leaves bytecode of just what runs: in a read-only image
# it cannot be made later.
RUN find /opt/orderflow -name __pycache__ -prune -exec rm -rf {} + \
    && /opt/orderflow/bin/python -c 'import importlib, pkgutil, orderflow, psycopg, sqlalchemy.dialects.postgresql.psycopg; \
[importlib.import_module(m.name) for m in pkgutil.walk_packages(orderflow.__path__, "orderflow.") if "__main__" not in m.name]'

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title=Orderflow \
    org.opencontainers.image.description="Takes orders over HTTP and ships them: none lost, none shipped twice." \
    org.opencontainers.image.licenses=Apache-2.0
# What the driver for SQL Server loads.
ARG DATABASE=
RUN [ "$DATABASE" != mssql ] || { apt-get update -q \
    && apt-get install -q -y --no-install-recommends libltdl7 libkrb5-3 libgssapi-krb5-2 \
    && rm -rf /var/lib/apt/lists/*; }
# The image listens on every address, so a role starts only if ORDERFLOW_ENV is said: dev, staging or prod.
# All that a role may write to, with /tmp. A volume that is mounted here for the first time takes over its owner.
RUN install -d -o 10001 -g 10001 /var/lib/orderflow
COPY --from=build /opt/orderflow /opt/orderflow
ENV PATH=/opt/orderflow/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ORDERFLOW_HOST=0.0.0.0 ORDERFLOW_DATA_DIR=/var/lib/orderflow
USER 10001:10001
WORKDIR /var/lib/orderflow
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# Fits the default command; whoever runs another role names it here: orderflow health relay.
HEALTHCHECK --interval=15s --timeout=30s --retries=20 CMD ["orderflow", "health", "api"]
ENTRYPOINT ["orderflow"]
CMD ["api"]
