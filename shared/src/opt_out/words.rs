//! The table of words. Ordinary answers stay out of it: "no", "nein", "fin", "basta così" end a conversation, not a
//! consent, and "weiter", "voltar", "lanjutkan" go on with one without giving a consent back. `YES` is in the English
//! list because Twilio has it there.

use super::{
    Keyword::{self, Help, Start, Stop},
    Language,
};

/// What a language has.
pub(super) struct Words {
    stop: &'static [&'static str],
    start: &'static [&'static str],
    help: &'static [&'static str],
    /// What a person is told after a first word of `stop`. It names a word of `start`.
    pub(super) confirmation: &'static str,
}

impl Words {
    /// Every word, Twilio's unremovable ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = (Keyword, &'static str)> {
        let own = [(Stop, self.stop), (Start, self.start), (Help, self.help)];
        let own = own.into_iter().flat_map(|(keyword, words)| words.iter().map(move |word| (keyword, *word)));
        UNREMOVABLE.into_iter().chain(own)
    }
}

/// The words that Twilio lets nobody take away: people write them in every language.
///
/// Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".
const UNREMOVABLE: [(Keyword, &str); 4] = [(Stop, "STOP"), (Start, "START"), (Start, "UNSTOP"), (Help, "HELP")];

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

const ENGLISH: Words = Words {
    stop: &["STOPALL", "STOP ALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "REVOKE", "OPTOUT", "OPT OUT"],
    start: &["YES"],
    help: &["INFO"],
    confirmation: "You have been unsubscribed and will receive no more messages from us. Reply START to subscribe again.",
};

const SPANISH: Words = Words {
    stop: &["PARAR", "ALTO", "BAJA", "DAR DE BAJA", "DARME DE BAJA", "CANCELAR", "DETENER"],
    start: &["ALTA", "REANUDAR"],
    help: &["AYUDA"],
    confirmation: "Se ha dado de baja y no recibirá más mensajes nuestros. Responda ALTA para volver a recibirlos.",
};

const PORTUGUESE: Words = Words {
    stop: &["PARAR", "PARE", "SAIR", "CANCELAR", "DESCADASTRAR"],
    start: &["RETOMAR", "REATIVAR"],
    help: &["AJUDA"],
    confirmation: "O seu pedido foi atendido e não receberá mais mensagens nossas. Responda RETOMAR para voltar a recebê-las.",
};

const FRENCH: Words = Words {
    stop: &["ARRÊT", "ARRÊTER", "ARRÊTEZ", "DÉSABONNER", "DÉSINSCRIPTION", "DÉSINSCRIRE"],
    start: &["REPRENDRE"],
    help: &["AIDE"],
    confirmation: "Vous êtes désabonné et ne recevrez plus de messages de notre part. Répondez REPRENDRE pour vous réabonner.",
};

const GERMAN: Words = Words {
    stop: &["STOPP", "ABMELDEN", "ABBESTELLEN", "AUFHÖREN"],
    start: &["ANMELDEN"],
    help: &["HILFE"],
    confirmation: "Sie sind abgemeldet und erhalten keine Nachrichten mehr von uns. Antworten Sie ANMELDEN, um sie wieder zu erhalten.",
};

const ITALIAN: Words = Words {
    stop: &["FERMA", "FERMATI", "CANCELLA", "CANCELLAMI", "DISISCRIVIMI", "ANNULLA"],
    start: &["RIPRENDI", "INIZIA"],
    help: &["AIUTO"],
    confirmation: "La tua iscrizione è stata annullata e non riceverai altri messaggi. Rispondi RIPRENDI per riceverli di nuovo.",
};

const DUTCH: Words = Words {
    stop: &["STOPPEN", "AFMELDEN", "UITSCHRIJVEN"],
    start: &["AANMELDEN", "HERVATTEN"],
    help: &["HULP"],
    confirmation: "U bent afgemeld en ontvangt geen berichten meer van ons. Antwoord AANMELDEN om ze weer te ontvangen.",
};

const INDONESIAN: Words = Words {
    stop: &["BERHENTI", "BERHENTI BERLANGGANAN", "HENTIKAN"],
    start: &["MULAI"],
    help: &["BANTUAN"],
    confirmation: "Anda telah berhenti berlangganan dan tidak akan menerima pesan lagi. Balas MULAI untuk berlangganan lagi.",
};

const HINDI: Words = Words {
    stop: &["बंद", "बंद करो", "बंद करें", "बन्द", "बन्द करो", "बन्द करें", "BAND KARO", "रोको", "रोकें"],
    start: &["शुरू", "शुरू करें"],
    help: &["मदद", "सहायता"],
    confirmation: "आपकी सदस्यता समाप्त कर दी गई है और आपको हमारे संदेश नहीं मिलेंगे। फिर से पाने के लिए शुरू लिखें।",
};

const ARABIC: Words = Words {
    stop: &["إيقاف", "توقف", "الغاء", "إلغاء الاشتراك"],
    start: &["ابدأ", "اشتراك"],
    help: &["مساعدة"],
    confirmation: "تم إلغاء اشتراكك ولن تتلقى رسائل أخرى منا. أرسل ابدأ للاشتراك من جديد.",
};
