//! The log of a function, as Lambda's advanced logging controls ask for it.
//!
//! Source: AWS Lambda, "Configuring advanced logging controls".

use tracing_subscriber::filter::LevelFilter;

use crate::env;

/// Begins to log: JSON lines where Lambda asks for them, at the level it asks for, and INFO otherwise.
///
/// One level for all is enough for a function. A filter by module would bring a regular expression engine into every
/// binary, a tenth of its size.
pub fn init() {
    let level = env::optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_ansi(false);
    if env::optional("AWS_LAMBDA_LOG_FORMAT").is_some_and(|format| format.eq_ignore_ascii_case("json")) {
        lines.json().init();
    } else {
        // CloudWatch has the time of each line already.
        lines.without_time().init();
    }
}
