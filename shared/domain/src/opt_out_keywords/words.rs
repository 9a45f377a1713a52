//! The table of words, in the normal spelling ([`super::spelling`]), so that a cold start has nothing to normalise.
//!
//! Ordinary answers do not decide: "no", "nein", "fin", "basta così" end a conversation and not a consent, and "cancelar",
//! "annulla", "remover" cancel or remove what the conversation is about. "yes", "weiter", "alta", "inizia", "mulai",
//! "anmelden", "اشتراك" answer a question, go on with a conversation or begin something, and give no consent back: a START
//! lifts what a person has asked for, so it needs a word that means nothing else. `YES` is among Twilio's defaults for
//! START and `END` among those for STOP; both can be removed there.
//!
//! Source for the words without another source: the opt-out lists and tests of messaging products that are public. The
//! configuration adds and removes words ([`super::KeywordChanges`]).

use super::{
    Keyword::{self, Help, Start, Stop, StopMarketing},
    KeywordCertainty::{self, Everywhere, InTextMessage, Nowhere, Typed},
    Language,
};

/// The keywords of a language.
pub(super) struct Words {
    stop: &'static [(KeywordCertainty, &'static [&'static str])],
    /// Meta's own button under a marketing template, in the template's language, and what people type for it.
    stop_marketing: &'static [&'static str],
    /// Besides START and UNSTOP the word that the confirmation names, where that is another one.
    start: &'static [&'static str],
    help: &'static [&'static str],
    /// What may stand before or after an unmistakable word for stopping.
    pub(super) polite: &'static [&'static str],
    /// The answer to a first keyword of `stop`. It names the keyword that lifts the opt-out: START where the
    /// language's own words are ordinary answers.
    pub(super) confirmation: &'static str,
    /// The answer to a first keyword of `stop_marketing`. It names the same keyword.
    pub(super) marketing_confirmation: &'static str,
}

impl Words {
    /// All keywords, Twilio's unremovable ones first.
    pub(super) fn all(&self) -> impl Iterator<Item = (Keyword, KeywordCertainty, &'static str)> {
        let each = |keyword, certainty, words: &'static [&'static str]| {
            words.iter().map(move |word| (keyword, certainty, *word))
        };
        let stop = self.stop.iter().flat_map(move |(certainty, words)| each(Stop, *certainty, words));
        UNREMOVABLE
            .into_iter()
            .chain(stop)
            .chain(each(StopMarketing, Everywhere, self.stop_marketing))
            .chain(each(Start, Typed, self.start))
            .chain(each(Help, Typed, self.help))
    }

    /// Whether a word must stay: Twilio's unremovable ones, and the one that the confirmation names.
    pub(super) fn must_keep(&self, spelling: &str) -> bool {
        UNREMOVABLE.iter().any(|(_, _, word)| *word == spelling) || self.start.contains(&spelling)
    }
}

/// The keywords that cannot be removed from Twilio's list. People write them in every language. A button that says "Start" begins
/// something else.
///
/// Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".
const UNREMOVABLE: [(Keyword, KeywordCertainty, &str); 4] =
    [(Stop, Everywhere, "stop"), (Start, Typed, "start"), (Start, Everywhere, "unstop"), (Help, Typed, "help")];

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
/// Sources: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out": STOP, UNSUBSCRIBE, END, QUIT,
/// STOPALL, REVOKE, OPTOUT, CANCEL. 47 CFR 64.1200(a)(10): "stop", "quit", "end", "revoke", "opt out", "cancel" and
/// "unsubscribe" in reply to a text message. REMOVE: AWS End User Messaging SMS, "Required opt-out keywords". "Stop
/// promotions": Braze, "WhatsApp Opt-Ins and Opt-Outs", "Marketing opt-out selection".
const ENGLISH: Words = Words {
    stop: &[
        (Everywhere, &["stopall", "stop all", "unsubscribe", "unsubscribe me", "optout", "opt out", "opt me out"]),
        (Everywhere, &["unsub", "no more messages", "no more texts", "stop messages", "stop messaging me"]),
        (Typed, &["quit", "cancel", "revoke", "remove me"]),
        (InTextMessage, &["end", "remove"]),
        (Nowhere, &["no more", "enough", "not interested"]),
    ],
    stop_marketing: &[
        "stop promotions",
        "stop promos",
        "stop offers",
        "stop marketing",
        "no more promotions",
        "no more offers",
    ],
    start: &[],
    help: &["info"],
    polite: &["please", "pls", "plz", "thanks", "thank you", "now"],
    confirmation: "You have been unsubscribed and will receive no more messages from us. Reply START to subscribe again.",
    marketing_confirmation: "You will receive no more promotions from us. Reply START to allow them again.",
};

/// ALTO and BAJA are "high" and "low" as well; CANCELAR cancels an appointment or an order. The label of Meta's button
/// is in the opt-out lists of products.
const SPANISH: Words = Words {
    stop: &[
        (Everywhere, &["dar de baja", "darme de baja", "no mas mensajes", "desuscribir", "desuscribirme"]),
        (Everywhere, &["cancelar suscripcion", "cancelar la suscripcion", "cancelar mi suscripcion"]),
        (Typed, &["parar", "detener", "no me escriban", "no me escriba mas", "no me escriban mas"]),
        (Nowhere, &["alto", "baja", "cancelar", "basta", "no mas"]),
    ],
    stop_marketing: &[
        "detener promociones",
        "parar promociones",
        "no mas promociones",
        "no mas publicidad",
        "no mas ofertas",
    ],
    start: &["reanudar"],
    help: &["ayuda"],
    polite: &["por favor", "porfavor", "porfa", "gracias", "ya"],
    confirmation: "Se ha dado de baja y no recibirá más mensajes nuestros. Responda REANUDAR para volver a recibirlos.",
    marketing_confirmation: "No recibirá más promociones nuestras. Responda REANUDAR para volver a permitirlas.",
};

/// CANCELAR and REMOVER answer a question about an order. SAIR is what Brazilian businesses ask for to opt out. The label
/// of Meta's button is in a product's record of an incident.
const PORTUGUESE: Words = Words {
    stop: &[
        (Everywhere, &["descadastrar", "descadastro", "me descadastrar", "cancelar inscricao", "sair da lista"]),
        (Typed, &["parar", "pare", "sair"]),
        (Nowhere, &["cancelar", "remover", "chega", "nao quero mais"]),
    ],
    stop_marketing: &["parar promocoes", "parar promocao", "parar de receber promocoes", "chega de promocoes"],
    start: &["retomar"],
    help: &["ajuda"],
    polite: &["por favor", "porfavor", "pfv", "obrigado", "obrigada"],
    confirmation: "O seu pedido foi atendido e não receberá mais mensagens nossas. Responda RETOMAR para voltar a recebê-las.",
    marketing_confirmation: "Não receberá mais promoções nossas. Responda RETOMAR para voltar a permiti-las.",
};

/// Meta's label in French is not documented: these are its usual translations.
const FRENCH: Words = Words {
    stop: &[
        (Everywhere, &["me desabonner", "desabonnement", "ne plus recevoir", "ne plus recevoir de messages"]),
        (Typed, &["arret", "arrete", "arreter", "arretez", "desabonner", "desinscription", "desinscrire"]),
        (Typed, &["me desinscrire"]),
        (Nowhere, &["assez", "ca suffit"]),
    ],
    stop_marketing: &[
        "arreter les promotions",
        "arreter les promos",
        "stop aux promotions",
        "stop pub",
        "plus de pub",
        "plus de promotions",
    ],
    start: &["reprendre"],
    help: &["aide"],
    polite: &["s il vous plait", "s il te plait", "svp", "stp", "merci"],
    confirmation: "Vous êtes désabonné et ne recevrez plus de messages de notre part. Répondez REPRENDRE pour vous réabonner.",
    marketing_confirmation: "Vous ne recevrez plus de promotions de notre part. Répondez REPRENDRE pour les autoriser à nouveau.",
};

/// HALT is in the list of a provider of text messages (Bird), and a word of many sentences. Meta's label in German is not documented: these are its usual translations.
const GERMAN: Words = Words {
    stop: &[
        (Everywhere, &["keine nachrichten mehr"]),
        (Typed, &["stopp", "abmelden", "abmeldung", "bitte abmelden", "abbestellen", "aufhoren", "aufhoeren"]),
        (InTextMessage, &["halt"]),
        (Nowhere, &["schluss", "es reicht", "ende"]),
    ],
    stop_marketing: &[
        "werbung stoppen",
        "angebote stoppen",
        "promotions stoppen",
        "keine werbung",
        "keine werbung mehr",
        "keine angebote mehr",
    ],
    start: &[],
    help: &["hilfe"],
    polite: &["bitte", "danke", "sofort"],
    confirmation: "Sie sind abgemeldet und erhalten keine Nachrichten mehr von uns. Antworten Sie START, um sie wieder zu erhalten.",
    marketing_confirmation: "Sie erhalten keine Werbung mehr von uns. Antworten Sie START, um sie wieder zuzulassen.",
};

/// ANNULLA, CANCELLA and BASTA ("enough") answer a question. Meta's label: approved templates in a product's test data.
const ITALIAN: Words = Words {
    stop: &[
        (Everywhere, &["annulla iscrizione", "annulla l iscrizione", "cancella iscrizione", "cancella l iscrizione"]),
        (Everywhere, &["disiscrivimi", "disiscrivermi"]),
        (Typed, &["ferma", "fermati", "cancellami"]),
        (Nowhere, &["cancella", "annulla", "basta"]),
    ],
    stop_marketing: &[
        "interrompi promozioni",
        "basta promozioni",
        "basta pubblicita",
        "niente pubblicita",
        "niente promozioni",
    ],
    start: &["riprendi"],
    help: &["aiuto"],
    polite: &["per favore", "perfavore", "grazie"],
    confirmation: "La tua iscrizione è stata annullata e non riceverai altri messaggi. Rispondi RIPRENDI per riceverli di nuovo.",
    marketing_confirmation: "Non riceverai altre promozioni da noi. Rispondi RIPRENDI per consentirle di nuovo.",
};

/// Meta's label: a product's template code.
const DUTCH: Words = Words {
    stop: &[
        (Everywhere, &["geen berichten meer"]),
        (Typed, &["stoppen", "afmelden", "uitschrijven"]),
        (Nowhere, &["einde", "niet meer"]),
    ],
    stop_marketing: &[
        "promoties stoppen",
        "stop promoties",
        "geen reclame",
        "geen reclame meer",
        "geen aanbiedingen meer",
    ],
    start: &["hervatten"],
    help: &["hulp"],
    polite: &["alstublieft", "alsjeblieft", "aub", "graag", "bedankt", "dank u"],
    confirmation: "U bent afgemeld en ontvangt geen berichten meer van ons. Antwoord HERVATTEN om ze weer te ontvangen.",
    marketing_confirmation: "U ontvangt geen aanbiedingen meer van ons. Antwoord HERVATTEN om ze weer toe te staan.",
};

/// Meta's label in Indonesian is not documented: these are its usual translations. BERHENTI is what Indonesian businesses
/// ask for to opt out.
const INDONESIAN: Words = Words {
    stop: &[
        (Everywhere, &["berhenti berlangganan"]),
        (Typed, &["berhenti", "hentikan", "unreg", "jangan hubungi", "jangan hubungi saya"]),
        (Nowhere, &["cukup", "jangan lagi"]),
    ],
    stop_marketing: &["hentikan promosi", "berhenti promosi", "stop promosi"],
    start: &[],
    help: &["bantuan"],
    polite: &["tolong", "mohon", "terima kasih", "makasih"],
    confirmation: "Anda telah berhenti berlangganan dan tidak akan menerima pesan lagi. Balas START untuk berlangganan lagi.",
    marketing_confirmation: "Anda tidak akan menerima promosi lagi dari kami. Balas START untuk mengizinkannya lagi.",
};

/// बंद is "closed" as well, and बंद करें is what a button says that closes or switches off. Meta's label: the opt-out
/// lists of products.
const HINDI: Words = Words {
    stop: &[
        (Everywhere, &["बंद करो", "बन्द करो", "band karo"]),
        (Typed, &["बंद करें", "बन्द करें", "रोको", "रोकें"]),
        (Typed, &["band kar do", "band kare", "band karein", "bandh karo", "roko"]),
        (Nowhere, &["बंद", "बन्द", "बस करो", "bas karo", "band"]),
    ],
    stop_marketing: &["प्रमोशन बंद करें", "प्रमोशन बंद करो", "promotion band karo"],
    start: &[],
    help: &["मदद", "सहायता"],
    polite: &["कृपया", "प्लीज", "धन्यवाद", "kripya"],
    confirmation: "आपकी सदस्यता समाप्त कर दी गई है और आपको हमारे संदेश नहीं मिलेंगे। फिर से पाने के लिए START लिखें।",
    marketing_confirmation: "आपको हमारे प्रमोशन अब नहीं मिलेंगे। फिर से अनुमति देने के लिए START लिखें।",
};

/// الغاء is "cancellation" as well. Meta's label: the template code and the tests of two products, which differ.
const ARABIC: Words = Words {
    stop: &[
        (Everywhere, &["الغاء الاشتراك", "لا تراسلني", "لا تراسلوني", "توقف عن مراسلتي"]),
        (Typed, &["ايقاف", "توقف", "توقفوا"]),
        (Nowhere, &["الغاء", "كفايه", "كفي", "يكفي"]),
    ],
    stop_marketing: &["ايقاف العروض الترويجيه", "ايقاف عمليات الترويج", "ايقاف العروض", "وقف العروض"],
    start: &[],
    help: &["مساعده"],
    polite: &["من فضلك", "من فضلكم", "رجاء", "لو سمحت", "شكرا"],
    confirmation: "تم إلغاء اشتراكك ولن تتلقى رسائل أخرى منا. أرسل START للاشتراك من جديد.",
    marketing_confirmation: "لن تتلقى عروضًا ترويجية أخرى منا. أرسل START للسماح بها من جديد.",
};
