# One file for all services: `docker build -f deploy/docker/service.Dockerfile --build-arg SERVICE=points-svc .`
# SERVICE is member-svc, points-svc, tier-svc, campaign-svc, or cli (which also makes the topics).
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build
WORKDIR /build
COPY requirements/uv.txt requirements/dev.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt
COPY shared shared
COPY services services
COPY deploy/cli deploy/cli
ARG SERVICE
# The lock holds every package with its hash; only what this service depends on is installed from it, and the hashes are checked.
RUN uv venv /opt/laurel \
 && folder=$([ "$SERVICE" = cli ] && echo deploy/cli || echo "services/$SERVICE") \
 && uv pip compile --quiet --no-header --no-annotate --generate-hashes --constraint requirements/dev.txt \
      --no-emit-package laurel-contracts --no-emit-package laurel-kit \
      shared/contracts/pyproject.toml shared/kit/pyproject.toml -o /tmp/wanted.txt $([ "$SERVICE" = cli ] && echo deploy/cli/pyproject.toml || true) \
 && uv pip install --quiet --python /opt/laurel/bin/python --require-hashes -r /tmp/wanted.txt \
 && uv pip install --quiet --python /opt/laurel/bin/python --no-deps ./shared/contracts ./shared/kit "./$folder"

FROM python:${PYTHON}-slim
ARG SERVICE
RUN useradd --system --uid 10001 laurel
COPY --from=build /opt/laurel /opt/laurel
ENV PATH=/opt/laurel/bin:$PATH PYTHONUNBUFFERED=1 LAUREL_SERVICE=${SERVICE}
USER laurel
EXPOSE 8000
# exec, so that SIGTERM reaches the service, which drains within 10 s.
CMD ["sh", "-c", "exec python -m \"$(echo ${LAUREL_SERVICE} | tr - _)\""]
