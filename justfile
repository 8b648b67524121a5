# An index of commands; each runs without just as well.

# format, lints and docs
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

# every test
test *ARGS:
    tests/run {{ARGS}}

# the plan, the dataflow and the automaton of a file
explain FILE:
    cargo run --release -- explain {{FILE}}

# what a submission must pass
ci:
    .ci/run

# row pattern queries, measured: all, or those whose names contain one of the words (bench/README.md)
bench *ARGS:
    cargo run --release --locked -p dipper-bench-patterns -- {{ARGS}}

# the larger data sets, into data/
data ROWS="1000000":
    cargo run --release -p dipper-datagen -- large --rows {{ROWS}} --out data

# licences, versions, advisories (needs cargo-deny)
deny:
    cargo deny check
