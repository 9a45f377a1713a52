//! The scenarios that the sandbox has: the files of `scenarios/`, compiled into the binary.

use serde_json::{Value, json};

use crate::scenario::{InvalidScenario, Scenario};

/// The name and the text of a file in `scenarios/`.
macro_rules! preset {
    ($name:literal) => {
        ($name, include_str!(concat!("../scenarios/", $name, ".json")))
    };
}

const PRESETS: [(&str, &str); 10] = [
    preset!("webhook-lost"),
    preset!("callbacks-lost"),
    preset!("too-many-requests"),
    preset!("token-rotated"),
    preset!("stop-during-campaign"),
    preset!("window-closes"),
    preset!("opt-out"),
    preset!("template-paused"),
    preset!("rate-limited"),
    preset!("bad-day"),
];

/// The names, what they show, and what to expect.
pub(crate) fn list() -> Value {
    let shown = |(name, text): &(&str, &str)| {
        let scenario: Scenario = text.parse().ok()?;
        Some(json!({
            "name": name, "title": scenario.title, "expect": scenario.expect, "steps": scenario.steps(),
        }))
    };
    PRESETS.iter().filter_map(shown).collect()
}

/// The scenario of this name; none if there is none.
pub(crate) fn find(name: &str) -> Option<Result<Scenario, InvalidScenario>> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| text.parse())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn each_file_is_a_preset_with_a_title_and_an_expectation() {
        let list = list();
        let listed: Vec<_> = list.as_array().unwrap().iter().collect();
        for preset in &listed {
            for field in ["title", "expect"] {
                assert!(preset[field].as_str().is_some_and(|text| text.len() > 10), "{preset}: {field}");
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let mut names: Vec<_> = listed.iter().map(|preset| preset["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(files.iter().map(|file| file.file_stem().unwrap().to_str().unwrap()).collect::<Vec<_>>(), names);
        assert!(find("no-such").is_none() && find("opt-out").unwrap().is_ok());
    }
}
