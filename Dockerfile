# mesoclinic: one image for web, worker and beat. PostgreSQL and Redis are services of their own.
FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements/run.txt .
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r run.txt

FROM python:3.13-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home mesoclinic \
    && mkdir /state && chown mesoclinic /state
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    MESOCLINIC_STATE=/state MESOCLINIC_STATIC=/srv/static
WORKDIR /app
COPY --from=build /venv /venv
COPY --chown=root:root . .
RUN python manage.py collectstatic --noinput -v 0
USER mesoclinic
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "mesoclinic.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "4", "--no-control-socket"]
