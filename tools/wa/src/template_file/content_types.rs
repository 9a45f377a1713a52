//! The content types and their limits.
//!
//! Source: Twilio, "Content types overview" and the page of each type; twilio-oai, content v1, `types`. Where two pages of Twilio
//! differ, the smaller limit: a button's id has 200 characters on "twilio/quick-reply" and 128 in "Content types overview".

/// A content type.
pub(super) struct TypeRules {
    pub(super) key: &'static str,
    pub(super) required: &'static [&'static str],
    /// The longest body of a template, in characters.
    pub(super) body: usize,
    /// The list of buttons, rows or cards, and the most that it may have.
    pub(super) list: Option<(&'static str, usize)>,
    /// The fields of each item of the list that it must have, and the longest text of a field.
    pub(super) item_required: &'static [&'static str],
    pub(super) item_limits: &'static [(&'static str, usize)],
    /// Whether WhatsApp approves templates of this type. The others can be sent in an open service window only.
    pub(super) can_be_approved: bool,
}

const BUTTON_LIMITS: &[(&str, usize)] = &[("title", 20), ("id", 128), ("url", 2_000), ("phone", 20), ("code", 20)];

const PLAIN: TypeRules = TypeRules {
    key: "",
    required: &["body"],
    body: 1_024,
    list: None,
    item_required: &[],
    item_limits: &[],
    can_be_approved: true,
};

const BUTTONS: TypeRules =
    TypeRules { list: Some(("actions", 10)), item_required: &["title"], item_limits: BUTTON_LIMITS, ..PLAIN };

/// The buttons of a card of a carousel. Source: Twilio, "twilio/carousel": one or two in each card.
pub(super) static CARD_BUTTONS: TypeRules = TypeRules { list: Some(("actions", 2)), ..BUTTONS };

pub(super) static TYPES: [TypeRules; 14] = [
    TypeRules { key: "twilio/text", ..PLAIN },
    TypeRules { key: "twilio/media", required: &["media"], ..PLAIN },
    TypeRules { key: "twilio/location", required: &["latitude", "longitude"], can_be_approved: false, ..PLAIN },
    TypeRules {
        key: "twilio/list-picker",
        required: &["body", "button", "items"],
        list: Some(("items", 10)),
        item_required: &["id", "item"],
        item_limits: &[("item", 24), ("id", 200), ("description", 72)],
        can_be_approved: false,
        ..PLAIN
    },
    TypeRules { key: "twilio/call-to-action", required: &["body", "actions"], body: 640, ..BUTTONS },
    TypeRules { key: "twilio/quick-reply", required: &["body", "actions"], ..BUTTONS },
    TypeRules { key: "twilio/card", required: &[], ..BUTTONS },
    TypeRules { key: "twilio/catalog", ..PLAIN },
    TypeRules {
        key: "twilio/carousel",
        required: &["body", "cards"],
        list: Some(("cards", 10)),
        item_required: &["body", "media", "actions"],
        ..PLAIN
    },
    TypeRules { key: "twilio/flows", required: &["body", "button_text", "pages", "type"], ..PLAIN },
    TypeRules { key: "twilio/schedule", required: &["id", "title", "timeSlots"], ..PLAIN },
    TypeRules { key: "whatsapp/card", ..BUTTONS },
    TypeRules {
        key: "whatsapp/authentication",
        required: &["actions"],
        list: Some(("actions", 1)),
        item_required: &["copy_code_text"],
        item_limits: &[("copy_code_text", 25)],
        ..PLAIN
    },
    TypeRules { key: "whatsapp/flows", required: &["body", "button_text", "flow_id"], ..PLAIN },
];

pub(super) fn rules_of(key: &str) -> Option<&'static TypeRules> {
    TYPES.iter().find(|rules| rules.key == key)
}
