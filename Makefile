# A thin front: everything real is in meson.build, tools/ and tests/.
.DEFAULT_GOAL := all
.PHONY: all deps dev release demo check check-unit check-fault check-lint check-fuzz check-docs check-parts check-kube check-node \
	fuzz bench deb image clean

all: dev

dev: build/dev/build.ninja
	ninja -C build/dev

build/dev/build.ninja: meson.build
	meson setup $(if $(wildcard build/dev/build.ninja),--reconfigure) build/dev

deps:
	tools/deps install

release:
	tools/release

demo: deps release
	tests/node/demo

check:
	tools/check

check-unit check-fault check-lint check-fuzz check-docs check-parts check-kube check-node:
	tools/check $(@:check-%=%)

fuzz: check-fuzz

bench: deps release dev
	tests/node/bench

deb: release
	packaging/deb

image: release
	tools/image

clean:
	rm -rf build/dev build/release build/asan build/clang build/fuzz
