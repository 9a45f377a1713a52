//! A check of the words for STOP and START that the stack is configured with: with a word that cannot be used, the functions
//! of the webhooks do not start.

use domain::opt_out_keywords::{KeywordChanges, Keywords, Languages};

use crate::{copyable::CopyableCommands, error::CommandError, finding::Finding, session::Session};

pub(super) const CHECK: &str = "keywords";

pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let (languages, keywords) = (stack.parameter("OptOutLanguages"), stack.parameter("OptOutKeywords"));
    Ok(vec![finding(languages, keywords, &session.copyable())])
}

fn finding(languages: Option<&str>, keywords: Option<&str>, commands: &CopyableCommands) -> Finding {
    match configured(languages, keywords) {
        Ok(()) if keywords.is_none() => Finding::ok(CHECK, "the known words for STOP and START count"),
        Ok(()) => Finding::ok(CHECK, "OptOutKeywords changes the known words for STOP and START"),
        Err(problem) => Finding::wrong(
            CHECK,
            format!("{problem}; the functions of the webhooks do not start"),
            "correct the parameter as in docs/opt-out.md, \"Words by configuration\", and deploy",
            commands.aws(&format!(
                "cloudformation describe-stacks --stack-name {} --query \"Stacks[0].Parameters[?starts_with(ParameterKey, \
                 'OptOut')]\"",
                commands.stack
            )),
        ),
    }
}

fn configured(languages: Option<&str>, keywords: Option<&str>) -> Result<(), String> {
    let languages = languages.map(str::parse::<Languages>).transpose();
    let languages = languages.map_err(|error| format!("OptOutLanguages: {error}"))?.unwrap_or_default();
    let changes = keywords.map(str::parse::<KeywordChanges>).transpose();
    let changes = changes.map_err(|error| format!("OptOutKeywords: {error}"))?.unwrap_or_default();
    Keywords::configured(&languages, &changes).map_err(|error| format!("OptOutKeywords: {error}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn unusable_word_is_named() {
        let added = r#"{"es": {"stop": {"add": ["NO QUIERO MAS"]}}}"#;
        assert_eq!(finding(None, None, &CopyableCommands::of_test()).finding, Level::Ok);
        assert_eq!(finding(Some("en,es"), Some(added), &CopyableCommands::of_test()).finding, Level::Ok);
        for (languages, keywords, problem) in [
            (Some("xx"), None, "OptOutLanguages: \"xx\""),
            (Some("en"), Some(added), "OptOutKeywords: es.stop.add: \"NO QUIERO MAS\""),
            (None, Some(r#"{"es": {"stop": {"remove": ["STOP"]}}}"#), "OptOutKeywords: es.stop.remove: \"STOP\""),
        ] {
            let found = finding(languages, keywords, &CopyableCommands::of_test());
            assert_eq!(found.finding, Level::Wrong);
            assert!(found.what.starts_with(problem), "{}", found.what);
        }
    }
}
