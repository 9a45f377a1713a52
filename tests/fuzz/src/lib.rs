//! Fuzz tests of the parsers, on stable Rust: [`fuzz`] runs a check on mutated inputs, and counts them.
//!
//! An input is made from random bytes: they say which seed is used and how it is mutated ([`Mutator`]). So every input is near
//! a real one, and `proptest`, which chooses the bytes, finds the smallest input that fails. The seeds are the sample events and
//! what each test brings ([`seeds`]).
//!
//! `make test` runs some thousands of inputs of each test. `make fuzz` runs `FUZZ_INPUTS`, or as many as it can in
//! `FUZZ_SECONDS`. A failure shows the smallest bytes; `FUZZ_BYTES=1,2,3` runs a test with these alone.
//!
//! There is no fuzzer in the dependencies: on stable Rust they choose at random, too, and the one that was tried, Bolero 0.13,
//! holds back a dependency of the functions.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod mutator;
pub mod seeds;

use std::{
    cell::Cell,
    str::FromStr,
    time::{Duration, Instant},
};

pub use mutator::Mutator;
use proptest::{
    collection::vec,
    num::u8::ANY,
    test_runner::{Config, TestError, TestRunner},
};

/// The inputs of a test in `make test`.
const INPUTS: u64 = 3_000;

/// The most bytes that choose an input. A mutation needs about four.
const MOST_BYTES: usize = 160;

/// The inputs between two looks at the clock.
const BATCH: u32 = 1_000;

/// What a parser said to an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Understood {
    Yes,
    No,
}

impl Understood {
    pub fn if_ok<T, E>(parsed: &Result<T, E>) -> Self {
        Self::when(parsed.is_ok())
    }

    pub fn when(understood: bool) -> Self {
        if understood { Self::Yes } else { Self::No }
    }
}

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().ok().unwrap_or_else(|| panic!("{name}: expected a number, not {text}")))
}

/// Runs a check on mutated inputs, which is the whole of a `#[test]`. The last line that it prints is read by `tools/fuzz.py`.
///
/// # Panics
///
/// Where the check does, with the smallest bytes for which it does; and where all inputs are understood, or none.
pub fn fuzz(check: impl Fn(&mut Mutator<'_>) -> Understood) {
    if let Ok(bytes) = std::env::var("FUZZ_BYTES") {
        let bytes: Vec<u8> = bytes.split(',').map(|byte| byte.trim().parse().expect("a byte")).collect();
        check(&mut Mutator::new(&bytes));
        return;
    }
    let start = Instant::now();
    let wanted = from_env("FUZZ_INPUTS").unwrap_or(INPUTS);
    let longest = from_env("FUZZ_SECONDS").map_or(Duration::MAX, Duration::from_secs);
    let (inputs, understood) = (Cell::new(0_u64), Cell::new(0_u64));
    while inputs.get() < wanted && start.elapsed() < longest {
        let cases = u32::try_from(wanted - inputs.get()).unwrap_or(BATCH).min(BATCH);
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let ran = runner.run(&vec(ANY, 0..MOST_BYTES), |bytes| {
            inputs.set(inputs.get() + 1);
            if check(&mut Mutator::new(&bytes)) == Understood::Yes {
                understood.set(understood.get() + 1);
            }
            Ok(())
        });
        match ran {
            Ok(()) => {}
            Err(TestError::Fail(reason, bytes)) => {
                let bytes = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
                panic!("{reason}\nto repeat it: FUZZ_BYTES={bytes}");
            }
            Err(TestError::Abort(reason)) => panic!("{reason}"),
        }
    }
    let (inputs, understood) = (inputs.get(), understood.get());
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    // Where nothing is understood, only the first check of the parser was tested; where everything is, no refusal.
    assert!(understood > 0 && understood < inputs, "{test}: {understood} of {inputs} inputs were understood");
    eprintln!("fuzz: {test}: {inputs} inputs, {understood} understood, {:.0} s", start.elapsed().as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "too large\nto repeat it: FUZZ_BYTES=200")]
    fn a_failure_shows_the_smallest_bytes() {
        fuzz(|mutator| {
            assert!(mutator.byte() < 200, "too large");
            Understood::Yes
        });
    }
}
