//! The table of words.
//!
//! Ordinary answers do not decide: "no", "nein", "fin", "basta così" end a conversation and not a consent. "yes",
//! "weiter", "alta", "inizia", "mulai", "anmelden" answer a question, go on with a conversation or begin something, and
//! give no consent back: a START lifts what a person has asked for, so it needs a word that means nothing else. `YES` is
//! among Twilio's defaults for START and `END` among those for STOP; both can be removed there.

use super::{
    Keyword::{self, Help, Start, Stop},
    KeywordCertainty::{self, Everywhere, InTextMessage, Nowhere, Typed},
    Language,
};

/// The keywords of a language.
pub(super) struct Words {
    stop: &'static [(KeywordCertainty, &'static [&'static str])],
    /// Besides START and UNSTOP the word that the confirmation names, where that is another one.
    start: &'static [&'static str],
    help: &'static [&'static str],
    /// The answer to a first keyword of `stop`. It names the keyword that lifts the opt-out: START where the
    /// language's own words are ordinary answers.
    pub(super) confirmation: &'static str,
}

impl Words {
    /// All keywords, Twilio's unremovable ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = (Keyword, KeywordCertainty, &'static str)> {
        let typed = |keyword, words: &'static [&'static str]| words.iter().map(move |word| (keyword, Typed, *word));
        let of_stop = |(certainty, words): &'static (KeywordCertainty, &'static [&'static str])| {
            words.iter().map(move |word| (Stop, *certainty, *word))
        };
        let stop = self.stop.iter().flat_map(of_stop);
        UNREMOVABLE.into_iter().chain(stop).chain(typed(Start, self.start)).chain(typed(Help, self.help))
    }
}

/// The keywords that cannot be removed from Twilio's list. People write them in every language. A button that says "Start" begins
/// something else.
///
/// Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".
const UNREMOVABLE: [(Keyword, KeywordCertainty, &str); 4] =
    [(Stop, Everywhere, "STOP"), (Start, Typed, "START"), (Start, Everywhere, "UNSTOP"), (Help, Typed, "HELP")];

pub(super) const fn of(language: Language) -> &'static Words {
    match language {
        Language::English => &ENGLISH,
        Language::Spanish => &SPANISH,
        Language::Portuguese => &PORTUGUESE,
        Language::French => &FRENCH,
        Language::German => &GERMAN,
        Language::Italian => &ITALIAN,
        Language::Dutch => &DUTCH,
        Language::Indonesian => &INDONESIAN,
        Language::Hindi => &HINDI,
        Language::Arabic => &ARABIC,
    }
}

/// On WhatsApp "END" ends a chat. In a text message it revokes consent by law, as the other words that Twilio has do.
///
/// Source: 47 CFR 64.1200(a)(10): "stop", "quit", "end", "revoke", "opt out", "cancel" and "unsubscribe" in reply to a
/// text message.
const ENGLISH: Words = Words {
    stop: &[
        (Everywhere, &["STOPALL", "STOP ALL", "UNSUBSCRIBE", "OPTOUT", "OPT OUT"]),
        (Typed, &["QUIT", "CANCEL", "REVOKE"]),
        (InTextMessage, &["END"]),
    ],
    start: &[],
    help: &["INFO"],
    confirmation: "You have been unsubscribed and will receive no more messages from us. Reply START to subscribe again.",
};

/// ALTO and BAJA are "high" and "low" as well.
const SPANISH: Words = Words {
    stop: &[
        (Everywhere, &["DAR DE BAJA", "DARME DE BAJA"]),
        (Typed, &["PARAR", "CANCELAR", "DETENER"]),
        (Nowhere, &["ALTO", "BAJA"]),
    ],
    start: &["REANUDAR"],
    help: &["AYUDA"],
    confirmation: "Se ha dado de baja y no recibirá más mensajes nuestros. Responda REANUDAR para volver a recibirlos.",
};

const PORTUGUESE: Words = Words {
    stop: &[(Typed, &["PARAR", "PARE", "SAIR", "CANCELAR", "DESCADASTRAR"])],
    start: &["RETOMAR"],
    help: &["AJUDA"],
    confirmation: "O seu pedido foi atendido e não receberá mais mensagens nossas. Responda RETOMAR para voltar a recebê-las.",
};

const FRENCH: Words = Words {
    stop: &[(Typed, &["ARRÊT", "ARRÊTER", "ARRÊTEZ", "DÉSABONNER", "DÉSINSCRIPTION", "DÉSINSCRIRE"])],
    start: &["REPRENDRE"],
    help: &["AIDE"],
    confirmation: "Vous êtes désabonné et ne recevrez plus de messages de notre part. Répondez REPRENDRE pour vous réabonner.",
};

const GERMAN: Words = Words {
    stop: &[(Typed, &["STOPP", "ABMELDEN", "ABBESTELLEN", "AUFHÖREN"])],
    start: &[],
    help: &["HILFE"],
    confirmation: "Sie sind abgemeldet und erhalten keine Nachrichten mehr von uns. Antworten Sie START, um sie wieder zu erhalten.",
};

const ITALIAN: Words = Words {
    stop: &[(Typed, &["FERMA", "FERMATI", "CANCELLA", "CANCELLAMI", "DISISCRIVIMI", "ANNULLA"])],
    start: &["RIPRENDI"],
    help: &["AIUTO"],
    confirmation: "La tua iscrizione è stata annullata e non riceverai altri messaggi. Rispondi RIPRENDI per riceverli di nuovo.",
};

const DUTCH: Words = Words {
    stop: &[(Typed, &["STOPPEN", "AFMELDEN", "UITSCHRIJVEN"])],
    start: &["HERVATTEN"],
    help: &["HULP"],
    confirmation: "U bent afgemeld en ontvangt geen berichten meer van ons. Antwoord HERVATTEN om ze weer te ontvangen.",
};

const INDONESIAN: Words = Words {
    stop: &[(Everywhere, &["BERHENTI BERLANGGANAN"]), (Typed, &["BERHENTI", "HENTIKAN"])],
    start: &[],
    help: &["BANTUAN"],
    confirmation: "Anda telah berhenti berlangganan dan tidak akan menerima pesan lagi. Balas START untuk berlangganan lagi.",
};

/// बंद is "closed" as well, and बंद करें is what a button says that closes or switches off.
const HINDI: Words = Words {
    stop: &[
        (Everywhere, &["बंद करो", "बन्द करो", "BAND KARO"]),
        (Typed, &["बंद करें", "बन्द करें", "रोको", "रोकें"]),
        (Nowhere, &["बंद", "बन्द"]),
    ],
    start: &[],
    help: &["मदद", "सहायता"],
    confirmation: "आपकी सदस्यता समाप्त कर दी गई है और आपको हमारे संदेश नहीं मिलेंगे। फिर से पाने के लिए START लिखें।",
};

/// الغاء is "cancellation" as well.
const ARABIC: Words = Words {
    stop: &[(Everywhere, &["إلغاء الاشتراك"]), (Typed, &["إيقاف", "توقف"]), (Nowhere, &["الغاء"])],
    start: &[],
    help: &["مساعدة"],
    confirmation: "تم إلغاء اشتراكك ولن تتلقى رسائل أخرى منا. أرسل START للاشتراك من جديد.",
};
