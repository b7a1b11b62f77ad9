FROM rust:1-bookworm AS build
WORKDIR /evertoken
COPY Cargo.toml Cargo.lock ./
COPY crates ./crates
COPY src ./src
COPY tests ./tests
COPY benches ./benches
RUN cargo build --release --locked --no-default-features --bin evertoken

FROM debian:bookworm-slim
# The issuer's certificates are checked against the system's roots.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /evertoken/target/release/evertoken /usr/local/bin/evertoken
USER nobody
WORKDIR /
ENTRYPOINT ["evertoken"]
CMD ["run"]
