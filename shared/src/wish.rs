//! What a message asks of us as to whether we may write.

use crate::{
    inbound::{InboundMessage, OptOutType},
    opt_out::{Keyword, Language, Languages, Match, classify},
    preference::Preference,
};

/// A person's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What is wished.
    pub preference: Preference,
    /// Who answers it.
    pub confirmation: Confirmation,
}

/// Who tells the person that a wish was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// We do, in the language of the keyword.
    Ours(Language),
    /// Twilio has: Advanced Opt-Out answers by itself, and to a person whom it has just suppressed nothing else goes
    /// out (error 21610).
    Twilios,
}

/// What a message asks for, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// For messages to stop, or to come again.
    Wish(Wish),
    /// Perhaps for messages to stop, in other words than the known ones: for a person to look at.
    Perhaps(Language),
    /// For neither.
    Nothing,
}

impl Asked {
    /// Twilio's own judgement, where it made one; else the text, and else the button's text and payload.
    pub fn by(message: &InboundMessage, languages: &Languages) -> Self {
        if let Some(kind) = message.details.opt_out_type {
            let preference = match kind {
                OptOutType::Stop => Preference::OptedOut,
                OptOutType::Start => Preference::OptedIn,
                OptOutType::Help => return Self::Nothing,
            };
            return Self::Wish(Wish { preference, confirmation: Confirmation::Twilios });
        }
        let button = message.details.button.as_ref();
        let texts =
            [Some(&message.body), button.and_then(|b| b.text.as_ref()), button.and_then(|b| b.payload.as_ref())];
        let mut asked = Self::Nothing;
        for text in texts.into_iter().flatten() {
            match (Self::in_text(text, languages), asked) {
                (wish @ Self::Wish(_), _) => return wish,
                (perhaps @ Self::Perhaps(_), Self::Nothing) => asked = perhaps,
                _ => {}
            }
        }
        asked
    }

    /// The wish, where there is one.
    pub fn wish(self) -> Option<Preference> {
        if let Self::Wish(wish) = self { Some(wish.preference) } else { None }
    }

    fn in_text(text: &str, languages: &Languages) -> Self {
        let (preference, language) = match classify(text, languages) {
            Match::Whole(Keyword::Stop, language) => (Preference::OptedOut, language),
            Match::Whole(Keyword::Start, language) => (Preference::OptedIn, language),
            Match::NearMiss(language) => return Self::Perhaps(language),
            Match::Whole(Keyword::Help, _) | Match::No => return Self::Nothing,
        };
        Self::Wish(Wish { preference, confirmation: Confirmation::Ours(language) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{form::Form, signature::VerifiedForm};

    fn asked(parameters: &str) -> Asked {
        let form = format!(
            "MessageSid=SM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
             &From=whatsapp%3A%2B14155550123&To=whatsapp%3A%2B14155238886&{parameters}"
        );
        let message = InboundMessage::parse(&VerifiedForm::from_store(Form::parse(form.as_bytes()))).unwrap();
        Asked::by(&message, &Languages::default())
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
            ("Body=please+stop&ButtonText=please+stop&ButtonPayload=STOP", stop),
            ("Body=Baja&OptOutType=STOP", stop),
            ("Body=STOP&OptOutType=HELP", None),
            ("Body=hello&OptOutType=START", start),
        ];
        for (parameters, expected) in cases {
            assert_eq!(asked(parameters).wish(), expected, "{parameters}");
        }
    }

    #[test]
    fn what_is_no_wish_but_near_one_is_for_a_person_to_look_at() {
        let cases = [
            ("Body=stop%2C+the+parcel+never+came", Asked::Perhaps(Language::English)),
            ("Body=STOP+12345", Asked::Perhaps(Language::English)),
            ("Body=&ButtonText=Please+stop", Asked::Perhaps(Language::English)),
            ("Body=stop+it&OptOutType=HELP", Asked::Nothing),
            ("Body=Where+is+my+order%3F", Asked::Nothing),
        ];
        for (parameters, expected) in cases {
            assert_eq!(asked(parameters), expected, "{parameters}");
        }
    }
}
