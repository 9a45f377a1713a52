//! How a deployment recognises opt-outs: the settings that every function with inbound messages reads alike.
//!
//! Environment: `OPT_OUT_LANGUAGES` (default: all that are known), `OPT_OUT_KEYWORDS` (default: no change) and
//! `OPT_OUT_SCOPE` (`all`, the default, or `sender`).

use domain::opt_out_keywords::{KeywordChanges, Keywords, Languages};
use stores::record_inbound::OptOutPolicy;

use crate::env::{self, EnvError};

const KEYWORDS: &str = "OPT_OUT_KEYWORDS";

/// Reads the settings at the cold start. An error names the language and the word that cannot be used.
pub fn policy_from_env() -> Result<OptOutPolicy, EnvError> {
    let languages = env::optional_parsed::<Languages>("OPT_OUT_LANGUAGES")?.unwrap_or_default();
    let scope = env::optional_parsed("OPT_OUT_SCOPE")?.unwrap_or_default();
    let changes = env::optional_parsed::<KeywordChanges>(KEYWORDS)?.unwrap_or_default();
    let keywords = Keywords::configured(&languages, &changes);
    let keywords = keywords.map_err(|error| EnvError::Invalid { name: KEYWORDS, reason: error.to_string() })?;
    Ok(OptOutPolicy { keywords, scope })
}
