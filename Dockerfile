# An image for each service, and one of the command trolley: docker build --target carts . (or: make images)
# Works with Docker's classic builder and with buildah. tools/image.py does the installing and says what is left out.
ARG BASE=python:3.14-slim

FROM ${BASE} AS build
# A base of Python alone, without pip, gets it here; no image below has either.
RUN apt-get update -q \
    && apt-get install -y -q --no-install-recommends binutils $(python3 -m pip --version >/dev/null 2>&1 || echo python3-pip)
WORKDIR /build
# Where packages come from, if not from the usual place.
ARG PIP_INDEX_URL
# Bytecode must not depend on the order of a set.
ENV PYTHONHASHSEED=0 PYTHONPATH=/backend
COPY requirements/build.txt requirements/
RUN python3 -m pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --target /backend -r requirements/build.txt
COPY tools/image.py tools/
RUN mkdir -p /made/root/data && touch -d 1980-01-01 /made/root/data

# What all images share. The needs of a service change seldom and lie in a layer of their own, with time stamps that do not
# follow the commit: a new version of a service brings a layer of about a megabyte.
FROM ${BASE} AS base
# For what an embedded store keeps; a volume that is mounted here for the first time gets its owner.
COPY --from=build --chown=65532:65532 /made/root/ /
ARG REVISION=unknown
ARG VERSION=unknown
ARG CREATED=1980-01-01T00:00:00Z
ENV PYTHONPATH=/app:/needs PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0
LABEL org.opencontainers.image.vendor=Trolley \
    org.opencontainers.image.version=${VERSION} \
    org.opencontainers.image.revision=${REVISION} \
    org.opencontainers.image.created=${CREATED}
STOPSIGNAL SIGTERM

FROM build AS users-built
COPY requirements/users.txt requirements/
RUN python3 tools/image.py needs /made/layer1/needs requirements/users.txt
COPY server server
COPY kit kit
COPY services/users services/users
ARG SOURCE_DATE_EPOCH=315532800
RUN python3 tools/image.py own /made/layer2/app ${SOURCE_DATE_EPOCH} server kit services/users

FROM base AS users
LABEL org.opencontainers.image.title=trolley-users org.opencontainers.image.description="Accounts, sign-in and tokens"
ENV PORT=3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-m", "shopserver.health"]
COPY --from=users-built /made/layer1/ /
COPY --from=users-built /made/layer2/ /
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["python3", "-m", "users"]

FROM build AS products-built
COPY requirements/products.txt requirements/
RUN python3 tools/image.py needs /made/layer1/needs requirements/products.txt
COPY server server
COPY kit kit
COPY services/products services/products
ARG SOURCE_DATE_EPOCH=315532800
RUN python3 tools/image.py own /made/layer2/app ${SOURCE_DATE_EPOCH} server kit services/products

FROM base AS products
LABEL org.opencontainers.image.title=trolley-products org.opencontainers.image.description="Products, prices, stock and search"
ENV PORT=3001
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-m", "shopserver.health"]
COPY --from=products-built /made/layer1/ /
COPY --from=products-built /made/layer2/ /
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["python3", "-m", "products"]

FROM build AS carts-built
COPY requirements/carts.txt requirements/
RUN python3 tools/image.py needs /made/layer1/needs requirements/carts.txt
COPY server server
COPY kit kit
COPY services/carts services/carts
ARG SOURCE_DATE_EPOCH=315532800
RUN python3 tools/image.py own /made/layer2/app ${SOURCE_DATE_EPOCH} server kit services/carts

FROM base AS carts
LABEL org.opencontainers.image.title=trolley-carts org.opencontainers.image.description="Carts and their lines"
ENV PORT=3002
EXPOSE 3002
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-m", "shopserver.health"]
COPY --from=carts-built /made/layer1/ /
COPY --from=carts-built /made/layer2/ /
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["python3", "-m", "carts"]

FROM build AS storefront-built
COPY requirements/storefront.txt requirements/
RUN python3 tools/image.py needs /made/layer1/needs requirements/storefront.txt
COPY server server
COPY kit kit
COPY files files
COPY services/storefront services/storefront
ARG SOURCE_DATE_EPOCH=315532800
RUN python3 tools/image.py own /made/layer2/app ${SOURCE_DATE_EPOCH} server kit files services/storefront

FROM base AS storefront
LABEL org.opencontainers.image.title=trolley-storefront org.opencontainers.image.description="The shop's pages"
ENV PORT=8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-m", "shopserver.health"]
COPY --from=storefront-built /made/layer1/ /
COPY --from=storefront-built /made/layer2/ /
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["python3", "-m", "storefront"]

FROM build AS tools-built
COPY requirements/launcher.txt requirements/
RUN python3 tools/image.py needs /made/layer1/needs requirements/launcher.txt
COPY server server
COPY kit kit
COPY files files
COPY services services
COPY launcher launcher
ARG SOURCE_DATE_EPOCH=315532800
RUN python3 tools/image.py own /made/layer2/app ${SOURCE_DATE_EPOCH} server kit files services/* launcher

FROM base AS tools
LABEL org.opencontainers.image.title=trolley-tools org.opencontainers.image.description="The command trolley"
COPY --from=tools-built /made/layer1/ /
COPY --from=tools-built /made/layer2/ /
USER 65532:65532
WORKDIR /data
ENTRYPOINT ["python3", "-m", "trolley"]
