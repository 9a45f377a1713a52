//! Measures how well opt-outs are recognised, over messages with what a person meant by each: `labelled/messages.tsv`, and
//! `labelled/held_out.tsv`, which was written after the words and phrases and which none of them was chosen by.
//!
//! The columns: language, what the person meant (`possible_opt_out`: nobody can tell), how it was written (`typed` on
//! WhatsApp, `sms`, a `button` or an item of a `list`), the text or label, and the id of the button or the item.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    tests::{ON_WHATSAPP, asked_by, chosen, tapped},
    *,
};

/// The sets, by their name in the table.
const SETS: [(&str, &str); 2] = [
    ("all, that the words were chosen by", include_str!("labelled/messages.tsv")),
    ("all, held out", include_str!("labelled/held_out.tsv")),
];

/// What a person meant by a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    OptOut,
    MarketingOptOut,
    OptIn,
    Help,
    Unclear,
    Nothing,
}

struct LabelledMessage {
    line: &'static str,
    language: &'static str,
    meaning: Meaning,
    intent: Intent,
}

impl LabelledMessage {
    fn read(line: &'static str) -> Self {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let [language, meaning, kind, text, id] = [next(), next(), next(), next(), next()];
        let meaning = match meaning {
            "opt_out" => Meaning::OptOut,
            "marketing_opt_out" => Meaning::MarketingOptOut,
            "opt_in" => Meaning::OptIn,
            "help" => Meaning::Help,
            "possible_opt_out" => Meaning::Unclear,
            "nothing" => Meaning::Nothing,
            other => panic!("{other} in {line:?}"),
        };
        let intent = match kind {
            "typed" => asked_by(Origin::Webhook, ON_WHATSAPP, &[("Body", text)]),
            "sms" => asked_by(Origin::Webhook, "+14155550123", &[("Body", text)]),
            "button" => tapped(text, id),
            "list" => chosen(text, id),
            other => panic!("{other} in {line:?}"),
        };
        Self { line, language, meaning, intent }
    }

    fn is_clear_opt_out(&self) -> bool {
        matches!(self.meaning, Meaning::OptOut | Meaning::MarketingOptOut)
    }

    fn decides(&self) -> bool {
        self.intent.preference() == Some(Preference::OptedOut)
    }

    fn is_marked(&self) -> bool {
        matches!(self.intent, Intent::PossibleOptOut(_))
    }
}

fn messages(set: &'static str) -> impl Iterator<Item = LabelledMessage> {
    set.lines().skip(1).map(LabelledMessage::read)
}

fn all_messages() -> impl Iterator<Item = LabelledMessage> {
    SETS.into_iter().flat_map(|(_, set)| messages(set))
}

/// How many messages of a group were recognised.
#[derive(Default)]
struct Recognition {
    messages: usize,
    clear: usize,
    decided: usize,
    /// Clear opt-outs that were decided or marked.
    found: usize,
    /// Messages that decided an opt-out without being one.
    wrongly_decided: usize,
    marked: usize,
    /// Marked messages that a person would call an opt-out, or unclear.
    rightly_marked: usize,
}

impl Recognition {
    fn add(&mut self, message: &LabelledMessage) {
        let clear = message.is_clear_opt_out();
        self.messages += 1;
        self.clear += usize::from(clear);
        self.decided += usize::from(clear && message.decides());
        self.found += usize::from(clear && (message.decides() || message.is_marked()));
        self.wrongly_decided += usize::from(!clear && message.decides());
        self.marked += usize::from(message.is_marked());
        self.rightly_marked += usize::from(message.is_marked() && (clear || message.meaning == Meaning::Unclear));
    }

    /// The line of the table in docs/opt-out.md.
    fn row(&self, name: &str) -> String {
        let share = |part: usize, whole: usize| match whole {
            0 => "-".to_owned(),
            _ => format!(
                "{:.0} %",
                100.0 * f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(whole).unwrap())
            ),
        };
        let decisions = self.decided + self.wrongly_decided;
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} |",
            self.messages,
            self.clear,
            share(self.decided, self.clear),
            share(self.found, self.clear),
            share(self.decided, decisions),
            share(self.rightly_marked, self.marked),
        )
    }
}

/// The lines of the table: each language, each set, and all messages.
fn table() -> String {
    let mut languages: BTreeMap<&str, Recognition> = BTreeMap::new();
    let mut sets = SETS.map(|(name, _)| (name, Recognition::default()));
    let mut all = Recognition::default();
    for ((_, recognition), (_, set)) in sets.iter_mut().zip(SETS) {
        for message in messages(set) {
            languages.entry(message.language).or_default().add(&message);
            recognition.add(&message);
            all.add(&message);
        }
    }
    let named = languages.iter().map(|(name, recognition)| (*name, recognition));
    let rows = named.chain(sets.iter().map(|(name, recognition)| (*name, recognition))).chain([("all", &all)]);
    rows.fold(String::new(), |mut table, (name, recognition)| {
        writeln!(table, "{}", recognition.row(name)).unwrap();
        table
    })
}

#[test]
fn labelled_set_has_messages_of_every_language() {
    let mut languages: BTreeMap<&str, usize> = BTreeMap::new();
    for message in all_messages() {
        *languages.entry(message.language).or_default() += 1;
    }
    assert!(languages.values().sum::<usize>() >= 400, "{languages:?}");
    for code in ["en", "es", "pt", "fr", "de", "it", "nl", "id", "hi", "ar"] {
        assert!(languages.get(code).is_some_and(|count| *count >= 40), "{code}: {languages:?}");
    }
}

#[test]
fn ordinary_message_opts_nobody_out_or_in() {
    for message in all_messages().filter(|message| matches!(message.meaning, Meaning::Nothing | Meaning::Help)) {
        assert_eq!(message.intent.preference(), None, "{}", message.line);
    }
}

#[test]
fn decision_is_the_one_that_was_meant() {
    for message in all_messages() {
        let (line, intent) = (message.line, message.intent);
        match (message.meaning, intent) {
            // Lifting takes the bare word: a person who adds "please" is not opted in, and can write it again.
            (Meaning::OptIn, _) => assert_ne!(intent.preference(), Some(Preference::OptedOut), "{line}"),
            (Meaning::OptOut, Intent::SetPreference(request)) => {
                assert_eq!((request.preference, request.scope), (Preference::OptedOut, RequestedScope::All), "{line}");
            }
            (Meaning::MarketingOptOut, Intent::SetPreference(request)) => {
                let asked = (request.preference, request.scope);
                assert_eq!(asked, (Preference::OptedOut, RequestedScope::Marketing), "{line}");
            }
            (Meaning::Unclear, _) => assert_ne!(intent.preference(), Some(Preference::OptedIn), "{line}"),
            _ => {}
        }
    }
}

#[test]
fn clear_opt_outs_are_understood_or_marked() {
    let mut recognition = Recognition::default();
    let mut missed = Vec::new();
    for message in all_messages() {
        recognition.add(&message);
        if message.is_clear_opt_out() && !message.decides() && !message.is_marked() {
            missed.push(message.line);
        }
    }
    let Recognition { found, clear, .. } = recognition;
    assert!(found * 100 >= clear * 98, "{found} of {clear}; missed:\n{}", missed.join("\n"));
}

#[test]
fn documented_recognition_is_the_measured_one() {
    let document = include_str!("../../../../docs/opt-out.md");
    let table = table();
    assert!(document.contains(&table), "docs/opt-out.md, \"How well it works\", needs these lines:\n{table}");
}
