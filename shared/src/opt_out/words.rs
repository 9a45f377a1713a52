//! The table of words. Ordinary answers stay out of it: "no", "nein", "fin", "basta così" end a conversation, not a
//! consent, and "weiter", "voltar", "lanjutkan" go on with one without giving a consent back. `YES` is in the English
//! list because Twilio has it there.

use super::{
    Keyword::{self, Help, Start, Stop},
    Language,
};

/// The words that Twilio lets nobody take away: people write them in every language.
///
/// Source: Twilio, "Customize Users' Opt-in and Opt-out Experience with Advanced Opt-Out".
pub(super) const UNREMOVABLE: &[(Keyword, &str)] =
    &[(Stop, "STOP"), (Start, "START"), (Start, "UNSTOP"), (Help, "HELP")];

/// The words of a language, besides the unremovable ones.
pub(super) const fn of(language: Language) -> &'static [(Keyword, &'static str)] {
    match language {
        Language::English => &[
            (Stop, "STOPALL"),
            (Stop, "STOP ALL"),
            (Stop, "UNSUBSCRIBE"),
            (Stop, "END"),
            (Stop, "QUIT"),
            (Stop, "CANCEL"),
            (Stop, "REVOKE"),
            (Stop, "OPTOUT"),
            (Stop, "OPT OUT"),
            (Start, "YES"),
            (Help, "INFO"),
        ],
        Language::Spanish => &[
            (Stop, "PARAR"),
            (Stop, "ALTO"),
            (Stop, "BAJA"),
            (Stop, "DAR DE BAJA"),
            (Stop, "DARME DE BAJA"),
            (Stop, "CANCELAR"),
            (Stop, "DETENER"),
            (Start, "ALTA"),
            (Start, "REANUDAR"),
            (Help, "AYUDA"),
        ],
        Language::Portuguese => &[
            (Stop, "PARAR"),
            (Stop, "PARE"),
            (Stop, "SAIR"),
            (Stop, "CANCELAR"),
            (Stop, "DESCADASTRAR"),
            (Start, "RETOMAR"),
            (Start, "REATIVAR"),
            (Help, "AJUDA"),
        ],
        Language::French => &[
            (Stop, "ARRÊT"),
            (Stop, "ARRÊTER"),
            (Stop, "ARRÊTEZ"),
            (Stop, "DÉSABONNER"),
            (Stop, "DÉSINSCRIPTION"),
            (Stop, "DÉSINSCRIRE"),
            (Start, "REPRENDRE"),
            (Help, "AIDE"),
        ],
        Language::German => &[
            (Stop, "STOPP"),
            (Stop, "ABMELDEN"),
            (Stop, "ABBESTELLEN"),
            (Stop, "AUFHÖREN"),
            (Start, "ANMELDEN"),
            (Help, "HILFE"),
        ],
        Language::Italian => &[
            (Stop, "FERMA"),
            (Stop, "FERMATI"),
            (Stop, "CANCELLA"),
            (Stop, "CANCELLAMI"),
            (Stop, "DISISCRIVIMI"),
            (Stop, "ANNULLA"),
            (Start, "RIPRENDI"),
            (Start, "INIZIA"),
            (Help, "AIUTO"),
        ],
        Language::Dutch => &[
            (Stop, "STOPPEN"),
            (Stop, "AFMELDEN"),
            (Stop, "UITSCHRIJVEN"),
            (Start, "AANMELDEN"),
            (Start, "HERVATTEN"),
            (Help, "HULP"),
        ],
        Language::Indonesian => &[
            (Stop, "BERHENTI"),
            (Stop, "BERHENTI BERLANGGANAN"),
            (Stop, "HENTIKAN"),
            (Start, "MULAI"),
            (Help, "BANTUAN"),
        ],
        Language::Hindi => &[
            (Stop, "बंद"),
            (Stop, "बंद करो"),
            (Stop, "बंद करें"),
            (Stop, "बन्द"),
            (Stop, "बन्द करो"),
            (Stop, "बन्द करें"),
            (Stop, "BAND KARO"),
            (Stop, "रोको"),
            (Stop, "रोकें"),
            (Start, "शुरू"),
            (Start, "शुरू करें"),
            (Help, "मदद"),
            (Help, "सहायता"),
        ],
        Language::Arabic => &[
            (Stop, "إيقاف"),
            (Stop, "توقف"),
            (Stop, "الغاء"),
            (Stop, "إلغاء الاشتراك"),
            (Start, "ابدأ"),
            (Start, "اشتراك"),
            (Help, "مساعدة"),
        ],
    }
}

pub(super) const fn confirmation(language: Language) -> &'static str {
    match language {
        Language::English => {
            "You have been unsubscribed and will receive no more messages from us. Reply START to subscribe again."
        }
        Language::Spanish => {
            "Se ha dado de baja y no recibirá más mensajes nuestros. Responda ALTA para volver a recibirlos."
        }
        Language::Portuguese => {
            "O seu pedido foi atendido e não receberá mais mensagens nossas. Responda RETOMAR para voltar a recebê-las."
        }
        Language::French => {
            "Vous êtes désabonné et ne recevrez plus de messages de notre part. Répondez REPRENDRE pour vous réabonner."
        }
        Language::German => {
            "Sie sind abgemeldet und erhalten keine Nachrichten mehr von uns. Antworten Sie ANMELDEN, um sie wieder zu erhalten."
        }
        Language::Italian => {
            "La tua iscrizione è stata annullata e non riceverai altri messaggi. Rispondi RIPRENDI per riceverli di nuovo."
        }
        Language::Dutch => {
            "U bent afgemeld en ontvangt geen berichten meer van ons. Antwoord AANMELDEN om ze weer te ontvangen."
        }
        Language::Indonesian => {
            "Anda telah berhenti berlangganan dan tidak akan menerima pesan lagi. Balas MULAI untuk berlangganan lagi."
        }
        Language::Hindi => "आपकी सदस्यता समाप्त कर दी गई है और आपको हमारे संदेश नहीं मिलेंगे। फिर से पाने के लिए शुरू लिखें।",
        Language::Arabic => "تم إلغاء اشتراكك ولن تتلقى رسائل أخرى منا. أرسل ابدأ للاشتراك من جديد.",
    }
}
