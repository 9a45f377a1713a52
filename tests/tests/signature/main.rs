//! Twilio's own libraries and ours, asked about the same generated requests: ours accepts what one of Twilio's accepts, and
//! nothing else, except the listed differences. Needs Twilio's libraries in `.tools` and no stack.
//!
//! `SIGNATURE_SEED` and `SIGNATURE_REQUESTS` choose other requests and their number.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the test prints its seed and what it compared")]

mod differences;
mod generator;
mod libraries;
mod request;
mod spelling;

use std::{collections::BTreeMap, str::FromStr};

use differences::{DIFFERENCES, Verdicts};
use generator::Generator;
use libraries::{NODE, PYTHON, verdicts};
use request::GeneratedRequest;

fn number_from_env<T: FromStr>(name: &str, otherwise: T) -> T {
    let Ok(text) = std::env::var(name) else { return otherwise };
    text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, not {text}"))
}

/// Each request with what the three libraries say of it.
fn compare(requests: Vec<GeneratedRequest>) -> Vec<(GeneratedRequest, Verdicts)> {
    let (python, node) = std::thread::scope(|scope| {
        let python = scope.spawn(|| verdicts(&PYTHON, &requests));
        let node = scope.spawn(|| verdicts(&NODE, &requests));
        (python.join().unwrap(), node.join().unwrap())
    });
    let twilio = python.into_iter().zip(node);
    requests
        .into_iter()
        .zip(twilio)
        .map(|(request, (python, node))| {
            let verdicts = Verdicts { ours: request.verdict(), python, node };
            (request, verdicts)
        })
        .collect()
}

#[test]
fn twilios_libraries_and_ours_give_the_same_verdict() {
    let seed = number_from_env("SIGNATURE_SEED", 12);
    let count: usize = number_from_env("SIGNATURE_REQUESTS", 20_000);
    let mut generator = Generator::new(seed);
    let compared = compare((0..count).map(|_| generator.request()).collect());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut accepted, mut unexplained) = (0, Vec::new());
    for (request, verdicts) in &compared {
        accepted += usize::from(verdicts.ours.is_ok());
        if verdicts.agree() {
            continue;
        }
        match DIFFERENCES.iter().find(|difference| (difference.applies)(request, verdicts)) {
            Some(difference) => *counts.entry(difference.name).or_default() += 1,
            None => unexplained.push((request, verdicts)),
        }
    }
    println!("seed {seed}: {count} requests, {accepted} accepted, differences: {counts:#?}");
    for (request, verdicts) in unexplained.iter().take(number_from_env("SIGNATURE_SHOWN", 20)) {
        println!("{verdicts:?}\n{request}\n");
    }
    assert_eq!(unexplained.len(), 0, "requests with another verdict than Twilio's libraries give");
    // Far from both ends, so that the verdicts mean something.
    assert!((count / 5..count * 4 / 5).contains(&accepted), "{accepted} of {count} accepted");
    let missing = DIFFERENCES.iter().filter(|difference| !counts.contains_key(difference.name));
    let missing: Vec<_> = missing.map(|difference| difference.name).collect();
    assert!(missing.is_empty() || count < 20_000, "these do not occur, so they are no differences: {missing:#?}");
}

#[test]
fn every_difference_is_in_the_documents() {
    let page = include_str!("../../../docs/signatures.md");
    for difference in DIFFERENCES {
        let row = format!("| {} | {} |", difference.name, difference.reason);
        assert!(page.contains(&row), "docs/signatures.md: expected the row\n{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(rows, DIFFERENCES.len() + 1, "docs/signatures.md: expected no other rows than those and the head");
}
