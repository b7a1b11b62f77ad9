# The worker, in an image that holds nothing else: docker build -t evertoken .
# The simulated issuer of docker-compose.yml:      docker build -t evertoken-simulator --target simulator .
# Where Docker Hub cannot be reached: --build-arg RUST_IMAGE=a.mirror.example/rust:1-bookworm
ARG RUST_IMAGE=rust:1-bookworm
ARG BASE_IMAGE=scratch

# What Cargo has to know of the workspace before it reads any of our code. A layer of which the
# contents are the same is the same layer, so the next stage is built anew only if these change.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /all
COPY Cargo.toml Cargo.lock ./
COPY crates ./crates
RUN mkdir /manifests \
    && cp --parents $(find . -name Cargo.toml -o -name Cargo.lock) /manifests \
    && cd /manifests \
    && for home in . crates/*; do mkdir -p $home/src && touch $home/src/lib.rs; done \
    && for home in . crates/simulator; do echo 'fn main() {}' >$home/src/main.rs; done

# The dependencies alone. crt-static: a binary that needs no library of the system.
FROM ${RUST_IMAGE} AS build
WORKDIR /evertoken
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN rustc -vV | sed -n 's/^host: //p' >/target-of-this-machine
COPY --from=manifests /manifests ./
RUN cargo build --release --locked --target $(cat /target-of-this-machine) \
        --no-default-features --bin evertoken
COPY Cargo.toml Cargo.lock ./
COPY docs/findings.md ./docs/
COPY crates ./crates
COPY src ./src
# Cargo goes by the time of a file, and the empty ones are newer.
RUN find src crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --target $(cat /target-of-this-machine) \
        --no-default-features --bin evertoken \
    && mkdir -p /image/etc/ssl/certs /image/usr/local/bin \
    && cp target/*/release/evertoken /image/usr/local/bin/ \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && echo 'hosts: files dns' >/image/etc/nsswitch.conf \
    && echo 'evertoken:x:65532:65532::/:/nowhere' >/image/etc/passwd
# The licences of what is built in: a list of all parts, and the texts that came with them.
RUN mkdir -p /image/usr/share/doc/evertoken \
    && cargo tree --locked --target $(cat /target-of-this-machine) --package evertoken \
        --no-default-features --edges normal --prefix none --format '{p} {l}' \
        | sed '/ (\//d; s/ (\*)$//' | sort -u >/image/usr/share/doc/evertoken/THIRD-PARTY \
    && cd ${CARGO_HOME:-$HOME/.cargo}/registry/src/* \
    && sed 's/^\([^ ]*\) v\([^ ]*\) .*/\1-\2/' /image/usr/share/doc/evertoken/THIRD-PARTY \
        | while read -r part; do \
            find "$part" -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \
                -o -iname 'unlicense*' -o -path '*/LICENSES/*' \); \
        done | sort -t / -k 2 \
        | tar -czf /image/usr/share/doc/evertoken/THIRD-PARTY-LICENSES.tar.gz -T -
COPY LICENSE /image/usr/share/doc/evertoken/LICENSE

FROM build AS build-simulator
RUN cargo build --release --locked --target $(cat /target-of-this-machine) \
        --package evertoken-simulator --bin issuer-simulator \
    && cp target/*/release/issuer-simulator /usr/local/bin/

FROM ${BASE_IMAGE} AS simulator
COPY --from=build-simulator /usr/local/bin/issuer-simulator /usr/local/bin/issuer-simulator
USER 65532:65532
EXPOSE 8081
ENTRYPOINT ["/usr/local/bin/issuer-simulator"]
CMD ["--listen", "0.0.0.0:8081"]

FROM ${BASE_IMAGE} AS worker
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="evertoken" \
      org.opencontainers.image.description="Keeps WeChat access tokens fresh in Redis" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
ENV PATH=/usr/local/bin
USER 65532:65532
# As the first process of its container it needs no init: it starts no other process, and ends its
# work on SIGTERM by itself.
ENTRYPOINT ["/usr/local/bin/evertoken"]
CMD ["run"]
