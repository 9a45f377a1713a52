//! What a message asks of us as to whether we may write.

use shared::{
    inbound::{InboundMessage, OptOutType},
    opt_out::{Keyword, Language, Languages, Match, classify},
    preference::Preference,
};

/// A person's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// What is wished.
    pub(crate) preference: Preference,
    /// Who answers it.
    pub(crate) confirmation: Confirmation,
}

/// Who tells the person that a wish was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// We do, in the language of the keyword.
    Ours(Language),
    /// Twilio has: Advanced Opt-Out answers by itself, and to a person whom it has just suppressed nothing else goes
    /// out (error 21610).
    Twilios,
}

impl Wish {
    /// Twilio's own judgement, where it made one; else the text, and else the button's text and payload.
    pub(crate) fn of(message: &InboundMessage, languages: &Languages) -> Option<Self> {
        if let Some(kind) = message.details.opt_out_type {
            let preference = match kind {
                OptOutType::Stop => Preference::OptedOut,
                OptOutType::Start => Preference::OptedIn,
                OptOutType::Help => return None,
            };
            return Some(Self { preference, confirmation: Confirmation::Twilios });
        }
        let button = message.details.button.as_ref();
        let texts =
            [Some(&message.body), button.and_then(|b| b.text.as_ref()), button.and_then(|b| b.payload.as_ref())];
        texts.into_iter().flatten().find_map(|text| Self::in_text(text, languages))
    }

    fn in_text(text: &str, languages: &Languages) -> Option<Self> {
        let Match::Whole(keyword, language) = classify(text, languages) else { return None };
        let preference = match keyword {
            Keyword::Stop => Preference::OptedOut,
            Keyword::Start => Preference::OptedIn,
            Keyword::Help => return None,
        };
        Some(Self { preference, confirmation: Confirmation::Ours(language) })
    }
}

#[cfg(test)]
mod tests {
    use shared::{form::Form, signature::VerifiedForm};

    use super::*;

    fn wish(parameters: &str) -> Option<Preference> {
        let form = format!(
            "MessageSid=SM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
             &From=whatsapp%3A%2B14155550123&To=whatsapp%3A%2B14155238886&{parameters}"
        );
        let message = InboundMessage::parse(&VerifiedForm::from_store(Form::parse(form.as_bytes()))).unwrap();
        Wish::of(&message, &Languages::default()).map(|wish| wish.preference)
    }

    #[test]
    fn a_wish_is_read_from_text_buttons_and_twilios_own_judgement() {
        let stop = Some(Preference::OptedOut);
        let start = Some(Preference::OptedIn);
        let cases = [
            ("Body=STOP", stop),
            ("Body=Stop.", stop),
            ("Body=start", start),
            ("Body=HELP", None),
            ("Body=Where+is+my+order%3F", None),
            ("Body=No+more&ButtonText=No+more&ButtonPayload=STOP", stop),
            ("Body=Baja&OptOutType=STOP", stop),
            ("Body=STOP&OptOutType=HELP", None),
            ("Body=hello&OptOutType=START", start),
        ];
        for (parameters, expected) in cases {
            assert_eq!(wish(parameters), expected, "{parameters}");
        }
    }
}
