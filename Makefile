# What to type. Every target builds what it needs; nothing has to be set up before.
#
#   make demo               the main job, running: workers, a simulated issuer, faults, readers
#   make demo FOR=30s       the same, with an end, a summary and an exit code
#   make demo ARGS="..."    the same, with any option of evertoken demo

CARGO ?= cargo
ARGS ?=
FOR ?=

.PHONY: demo

demo:
	@tools/need-redis
	@$(CARGO) build --release --bin evertoken
	@exec target/release/evertoken demo $(if $(FOR),--for $(FOR)) $(ARGS)
