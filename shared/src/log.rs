//! The log of a function, in the format and at the level that Lambda's advanced logging controls set.
//!
//! Source: AWS Lambda, "Configuring advanced logging controls".

use tracing_subscriber::filter::LevelFilter;

use crate::env;

/// Starts the log: JSON lines where `AWS_LAMBDA_LOG_FORMAT` is `JSON`, and text otherwise, at the level of
/// `AWS_LAMBDA_LOG_LEVEL`, which is INFO by default. Release binaries have no messages of a lower level: see Cargo.toml,
/// `tracing`.
///
/// All modules have the same level. A filter by module would bring a regular expression engine into every binary, a tenth
/// of its size.
pub fn init() {
    let level = env::optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false);
    if env::optional("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        lines.json().init();
    } else {
        // CloudWatch adds the time to each line.
        lines.without_time().init();
    }
}
