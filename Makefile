# What to type. Every target builds what it needs; nothing has to be set up before.
#
#   make demo               the main job, running: workers, a simulated issuer, faults, readers
#   make demo FOR=30s       the same, with an end, a summary and an exit code
#   make demo STORE=file    the same on the embedded store, without Redis
#   make demo ARGS="..."    the same, with any option of evertoken demo
#   make test               all tests, against real Redis servers and real processes
#   make bench              the benchmarks, with a table of results; ROWS="memory loss" for some of them
#   make kinds              every kind of credential for ten lifetimes of its tokens, while workers are killed
#   make compose            docker-compose.yml run for real, with faults, where there is a Docker engine
#   make upgrade            workers of this version and the one before, side by side, up and down
#   make release            the files of a release, tried: program, Debian package, SBOM, licences, sums
#   make chaos              the long fault run, with its report; FOR=10m is its length
#   make hostile            a million malformed requests to the door, and others are answered meanwhile
#   make fuzz               any bytes for all that is read; FOR=60s for each, TARGET=answer for one
#   make examples           the examples in Go and Java, whose clients come from their registries
#   make pictures           the README's pictures of the page, from a fleet that works
#   make sdks               real SDKs and OAuth clients of other languages, on copies and at the door
#   make versions           the tests of what is said to Redis, on its oldest and newest, and on Valkey

CARGO ?= cargo
ARGS ?=
FOR ?=
ROWS ?=
STORE ?= redis
TARGET ?= all

.PHONY: demo test bench kinds compose upgrade release chaos hostile fuzz examples sdks pictures versions

demo:
	@$(if $(filter redis,$(STORE)),tools/need redis-server)
	@$(CARGO) build --release --locked --bin evertoken
	@exec $${CARGO_TARGET_DIR:-target}/release/evertoken demo --on $(STORE) $(if $(FOR),--for $(FOR)) $(ARGS)

# Most tests wait for a state of their own servers, so more of them run at once than there are cores.
# Browsers, and ten thousand connections, would take the time from those that wait for a call; and what
# looks at every token of many issuers all the time needs its turn.
HEAVY = page:: kinds:: ten_thousand_idle pages_that_take_nothing

test:
	@tools/need redis-server openssl python3 strace faketime nutcracker haproxy stunnel4 tinyproxy microsocks chromium chromedriver
	@tools/need curl python3-redis node node-redis ruby ruby-redis php php-redis
	tools/deploy
	$(CARGO) test --locked --workspace --lib --bins
	$(CARGO) test --locked --package evertoken-client --doc
	$(CARGO) test --locked --workspace --exclude evertoken --test '*'
	$(CARGO) test --locked --test scenarios
	$(CARGO) test --locked --test integration -- --test-threads=6 $(addprefix --skip ,$(HEAVY))
	$(CARGO) test --locked --test integration -- --test-threads=2 $(HEAVY)

bench:
	@tools/need redis-server nginx wrk
	@$(CARGO) build --release --locked --package evertoken-simulator
	$(CARGO) bench --locked --bench fleet -- $(ROWS)

kinds:
	@tools/need redis-server openssl
	@$(CARGO) test --locked --test integration -- --ignored kinds::

compose:
	@tools/compose

# Nothing is released yet. Until then the version before is the last one whose record had no version.
PREDECESSOR ?= ec1da0b
upgrade:
	@tools/need redis-server git
	@predecessor=$$(tools/predecessor $(PREDECESSOR)) && EVERTOKEN_PREDECESSOR=$$predecessor \
	    $(CARGO) test --locked --test integration -- --ignored versions::side_by_side

release:
	@tools/release

chaos:
	@tools/need redis-server
	CHAOS_FOR=$(or $(FOR),10m) $(CARGO) test --locked --test chaos

hostile:
	@tools/need redis-server
	@$(CARGO) test --locked --test integration -- --ignored a_million_malformed

fuzz:
	@tools/fuzz $(TARGET) $(or $(FOR),60s)

examples:
	@tools/need redis-server go mvn
	@$(CARGO) test --locked --quiet --test integration -- --ignored examples::

sdks:
	@tools/need redis-server python3 node npm go php php-redis mvn
	@tools/sdks
	@$(CARGO) test --locked --quiet --test integration -- --ignored --test-threads=2 sdks::

pictures:
	@tools/need redis-server chromium chromedriver
	@$(CARGO) test --locked --quiet --test integration -- --ignored page::pictures

# Some builds have no TLS; those tests run on the installed server alone, with make test. Redis 5 has no
# users with rights of their own and no HELLO to take away, answers nothing while it loads, and lets
# scripts write with too few replicas. Before 7, nodes tell each other no address that is set at runtime.
OLD6 = --skip nodes_behind_other_addresses
OLD5 = $(OLD6) --skip rights:: --skip refused:: --skip renamed_commands --skip may_not_be_asked --skip lacks_info
versions:
	@tools/need redis-server python3
	@$(CARGO) test --locked --test integration --no-run
	@for server in redis-server $$(tools/servers); do \
	    case $$server in *redis-5) skip="$(OLD5)" ;; *redis-6.2) skip="$(OLD6)" ;; *) skip= ;; esac; \
	    $$server --version && REDIS_SERVER=$$server $(CARGO) test --locked --quiet --test integration -- \
	        contract::redis data_identity:: connecting:: refused:: rights:: sentinel:: cluster:: \
	        services::without $$skip --test-threads=4 || exit 1; \
	done
