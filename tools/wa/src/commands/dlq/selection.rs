//! Which dead letters a command is about.

use domain::notification::Category;

use super::target::DeadLetter;

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Selection {
    /// The ids, as `wa dlq list` shows them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only those whose reason contains this text
    #[arg(long, value_name = "TEXT", conflicts_with = "all")]
    reason: Option<String>,
    /// Only notifications of this category
    #[arg(long, value_name = "CATEGORY", conflicts_with = "all", value_parser = category)]
    category: Option<Category>,
    /// All dead letters of the queue
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

fn category(text: &str) -> Result<Category, String> {
    let found = Category::ALL.into_iter().find(|category| category.as_str() == text);
    found.ok_or_else(|| format!("expected {}", Category::ALL.map(Category::as_str).join(", ")))
}

impl Selection {
    pub(super) fn contains(&self, letter: &DeadLetter) -> bool {
        self.has(&letter.id(), &letter.raw.message_id, &letter.reason(), letter.category())
    }

    fn has(&self, id: &str, message_id: &str, reason: &str, category: Option<&str>) -> bool {
        (self.ids.is_empty() || self.ids.iter().any(|named| named == id || named == message_id))
            && self.reason.as_ref().is_none_or(|text| reason.contains(text))
            && self.category.is_none_or(|named| category == Some(named.as_str()))
    }

    /// Whether it names single letters, and not as many as there are.
    pub(super) const fn is_of_ids(&self) -> bool {
        !self.ids.is_empty()
    }

    /// The selection in words.
    pub(super) fn describe(&self) -> String {
        let ids = (!self.ids.is_empty()).then(|| self.ids.join(", "));
        let reason = self.reason.as_ref().map(|text| format!("with the reason {text:?}"));
        let category = self.category.map(|category| format!("of the category {}", category.as_str()));
        let parts: Vec<_> = [ids, reason, category].into_iter().flatten().collect();
        if parts.is_empty() { "of all notifications and records".to_owned() } else { parts.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(selection: &Selection) -> [bool; 2] {
        [
            selection.has("order-1", "m1", "given up after 27 attempts", Some("utility")),
            selection.has("order-2", "m2", "to: missing", Some("marketing")),
        ]
    }

    fn all() -> Selection {
        Selection { ids: Vec::new(), reason: None, category: None, all: true }
    }

    #[test]
    fn each_part_of_a_selection_narrows_it() {
        assert_eq!(has(&all()), [true, true]);
        let of = |ids: &[&str]| Selection { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..all() };
        assert_eq!(has(&of(&["order-1"])), [true, false]);
        assert_eq!(has(&of(&["m2"])), [false, true], "by the id of the message");
        assert_eq!(has(&Selection { reason: Some("given up".to_owned()), ..all() }), [true, false]);
        assert_eq!(has(&Selection { category: Some(Category::Marketing), ..all() }), [false, true]);
        let both = Selection { reason: Some("missing".to_owned()), ..of(&["order-1", "order-2"]) };
        assert_eq!(has(&both), [false, true]);
    }
}
