use std::sync::LazyLock;

use twilio_webhook::{form::Form, signature::TrustedForm};

use super::*;

static KEYWORDS: LazyLock<Keywords> = LazyLock::new(Keywords::default);

/// What a form asks for, with these parameters besides those that every form has.
pub(super) fn asked_by(origin: Origin, from: &str, parameters: &[(&str, &str)]) -> Intent {
    let always = [
        ("MessageSid", "SM00000000000000000000000000000001"),
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("From", from),
        ("To", "whatsapp:+14155238886"),
    ];
    let pairs = always.iter().chain(parameters).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let message = InboundMessage::parse(TrustedForm::Stored(&pairs.collect::<Form>())).unwrap();
    Intent::of(&message, origin, &KEYWORDS)
}

pub(super) const ON_WHATSAPP: &str = "whatsapp:+14155550123";

fn asked(parameters: &[(&str, &str)]) -> Intent {
    asked_by(Origin::Webhook, ON_WHATSAPP, parameters)
}

/// What a tapped quick reply asks for.
pub(super) fn tapped(label: &str, id: &str) -> Intent {
    asked(&[("MessageType", "button"), ("Body", label), ("ButtonText", label), ("ButtonPayload", id)])
}

/// What a chosen list item asks for.
pub(super) fn chosen(title: &str, id: &str) -> Intent {
    asked(&[("MessageType", "interactive"), ("Body", title), ("ListTitle", title), ("ListId", id)])
}

const STOP: Option<Preference> = Some(Preference::OptedOut);
const START: Option<Preference> = Some(Preference::OptedIn);

#[test]
fn a_wish_is_read_from_text_ids_and_twilios_own_judgement() {
    let cases: [(&[(&str, &str)], _); 9] = [
        (&[("Body", "STOP")], STOP),
        (&[("Body", "Stop.")], STOP),
        (&[("Body", "start")], START),
        (&[("Body", "HELP")], None),
        (&[("Body", "Where is my order?")], None),
        (&[("Body", "No more"), ("ButtonText", "No more"), ("ButtonPayload", "STOP")], STOP),
        (&[("Body", "Baja"), ("OptOutType", "STOP")], STOP),
        (&[("Body", "STOP"), ("OptOutType", "HELP")], None),
        (&[("Body", "hello"), ("OptOutType", "START")], START),
    ];
    for (parameters, expected) in cases {
        assert_eq!(asked(parameters).preference(), expected, "{parameters:?}");
    }
}

#[test]
fn what_is_no_wish_but_near_one_is_for_a_person_to_look_at() {
    let english = Intent::PossibleOptOut(Language::English);
    let cases: [(&[(&str, &str)], _); 6] = [
        (&[("Body", "stop, the parcel never came")], english),
        (&[("Body", "STOP 12345")], english),
        (&[("Body", ""), ("ButtonText", "Please stop it")], english),
        (&[("Body", "END")], english),
        (&[("Body", "stop it"), ("OptOutType", "HELP")], Intent::Other),
        (&[("Body", "Where is my order?")], Intent::Other),
    ];
    for (parameters, expected) in cases {
        assert_eq!(asked(parameters), expected, "{parameters:?}");
    }
}

/// Quick replies and list items as businesses send them, with ids as developers choose them.
const ORDINARY: [(&str, &str); 65] = [
    ("Cancel", "cancel-appointment-42"),
    ("Cancel", "cancel_appointment_42"),
    ("Cancel appointment", "appointment.cancel"),
    ("Yes", "confirm-1"),
    ("Yes, please", "reorder-yes"),
    ("No", "no"),
    ("End", "chat-end"),
    ("Quit", "quiz-quit"),
    ("Start", "start"),
    ("Get started", "GET_STARTED"),
    ("Begin", "start"),
    ("Info", "info"),
    ("Sí", "confirmar-7"),
    ("Cancelar", "cancelar-cita-7"),
    ("Cancelar pedido", "pedido:7:cancelar"),
    ("Alto", "riesgo-alto"),
    ("Baja", "prioridad-baja"),
    ("Alta", "prioridad-alta"),
    ("Detener el envío", "envio-detener"),
    ("Reanudar", "pedido-reanudar"),
    ("Sim", "sim-1"),
    ("Sair", "menu-sair"),
    ("Cancelar", "cancelar-consulta"),
    ("Parar", "timer-parar"),
    ("Retomar", "carrinho-retomar"),
    ("Reativar", "cartao-reativar"),
    ("Oui", "oui-1"),
    ("Annuler", "rdv-annuler"),
    ("Arrêt", "ligne-4-arret"),
    ("Désinscription", "cours-desinscription"),
    ("Reprendre", "panier-reprendre"),
    ("Ja", "ja-1"),
    ("Abmelden", "kurs-abmelden"),
    ("Anmelden", "kurs-anmelden"),
    ("Anmelden", "anmelden"),
    ("Abbestellen", "zeitung-abbestellen"),
    ("Weiter", "weiter"),
    ("Annulla", "annulla-appuntamento-3"),
    ("Cancella", "cancella-riga"),
    ("Ferma", "lavatrice-ferma"),
    ("Inizia", "inizia"),
    ("Riprendi", "quiz-riprendi"),
    ("Afmelden", "les-afmelden"),
    ("Aanmelden", "les-aanmelden"),
    ("Aanmelden", "aanmelden"),
    ("Stoppen met bestellen", "bestelling-afbreken"),
    ("Hervatten", "bestelling-hervatten"),
    ("Batal", "batal-1"),
    ("Berhenti", "kuis-berhenti"),
    ("Mulai", "mulai"),
    ("Hentikan", "alarm-hentikan"),
    ("हाँ", "haan-1"),
    ("बंद", "dukaan-band"),
    ("बंद करें", "khidki-band"),
    ("रोकें", "timer-roken"),
    ("शुरू करें", "shuru"),
    ("शुरू", "शुरू"),
    ("نعم", "naam-1"),
    ("الغاء", "ilgha-7"),
    ("إلغاء الموعد", "mawid-ilgha"),
    ("توقف", "hafila-tawaqquf"),
    ("إيقاف", "munabbih-iqaf"),
    ("ابدأ", "ابدأ"),
    ("اشتراك", "ishtirak-sanawi"),
    ("Continue", "1"),
];

#[test]
fn ordinary_quick_replies_and_list_items_ask_for_nothing() {
    for (label, id) in ORDINARY {
        assert_eq!(tapped(label, id), Intent::Other, "{label} {id}");
        assert_eq!(chosen(label, id), Intent::Other, "{label} {id}");
    }
}

#[test]
fn an_ordinary_label_without_an_id_decides_nothing() {
    for (label, id) in ORDINARY {
        for label in [label, id] {
            let button = asked(&[("MessageType", "button"), ("Body", label), ("ButtonText", label)]);
            assert_eq!(button.preference(), None, "{label}");
            assert_eq!(asked(&[("MessageType", "interactive"), ("Body", label)]).preference(), None, "{label}");
            assert_eq!(asked_by(Origin::MessageList, ON_WHATSAPP, &[("Body", label)]).preference(), None, "{label}");
        }
    }
}

#[test]
fn an_id_that_repeats_an_ordinary_label_decides_nothing() {
    for label in ["Cancel", "End", "Quit", "Yes", "Start", "Cancelar", "Baja", "Sair", "Annulla", "Abmelden", "Mulai"] {
        for id in [label.to_owned(), label.to_lowercase()] {
            assert_eq!(tapped(label, &id).preference(), None, "{label} {id}");
            assert_eq!(chosen(label, &id).preference(), None, "{label} {id}");
        }
    }
}

#[test]
fn an_id_that_says_stop_is_an_opt_out_whatever_the_label_says() {
    for id in ["STOP", "stop", "Unsubscribe", "OPT_OUT", "opt-out", "optout", "STOP_ALL", "dar-de-baja"] {
        for label in ["No more", "please stop", "Stop", "Keine Nachrichten mehr", "Yes"] {
            assert_eq!(tapped(label, id).preference(), STOP, "{label} {id}");
            assert_eq!(chosen(label, id).preference(), STOP, "{label} {id}");
        }
    }
}

#[test]
fn an_id_lifts_an_opt_out_by_twilios_own_words_alone() {
    for id in ["START", "UNSTOP"] {
        assert_eq!(tapped("Messages again, please", id).preference(), START, "{id}");
    }
    for id in ["start", "Start", "YES", "START_SURVEY", "REANUDAR", "REPRENDRE", "RIPRENDI"] {
        assert_eq!(tapped("Messages again, please", id), Intent::Other, "{id}");
    }
}

#[test]
fn an_id_that_may_mean_stop_is_for_a_person_to_look_at() {
    for (label, id) in [
        ("No quiero más mensajes", "PARAR"),
        ("Cancel", "cancel"),
        ("Stop promotions", "promotions-off"),
        ("STOP", "button-2"),
        ("No more messages", "button-2"),
        ("Don't contact me", "button-3"),
        ("Unsubscribe from offers", "offers-off"),
        ("No more offers", "unsubscribe-offers"),
        ("Bus stop 12", "bus-12"),
    ] {
        assert!(matches!(tapped(label, id), Intent::PossibleOptOut(_)), "{label} {id}");
    }
}

#[test]
fn an_unmistakable_label_without_an_id_is_an_opt_out() {
    for label in ["STOP", "Unsubscribe", "Opt out", "Stop all", "Dar de baja", "Berhenti berlangganan", "إلغاء الاشتراك"]
    {
        let button = asked(&[("MessageType", "button"), ("Body", label), ("ButtonText", label)]);
        assert_eq!(button.preference(), STOP, "{label}");
        assert_eq!(asked(&[("Body", ""), ("ButtonText", label)]).preference(), STOP, "{label}");
    }
}

#[test]
fn a_typed_keyword_decides_in_every_language() {
    for word in [
        "Cancel",
        "quit",
        "detener",
        "PARAR",
        "Sair",
        "arrêt",
        "abmelden",
        "ferma",
        "stoppen",
        "berhenti",
        "रोको",
        "توقف",
    ] {
        assert_eq!(asked(&[("MessageType", "text"), ("Body", word)]).preference(), STOP, "{word}");
        assert_eq!(asked(&[("Body", word)]).preference(), STOP, "{word}");
    }
    for word in ["START", "unstop", "reanudar", "Retomar", "reprendre", "riprendi", "hervatten"] {
        assert_eq!(asked(&[("MessageType", "text"), ("Body", word)]).preference(), START, "{word}");
    }
}

#[test]
fn end_is_an_opt_out_in_a_text_message_alone() {
    let end = [("Body", "END")];
    for (from, wish) in
        [("+14155550123", STOP), ("rcs:+14155550123", STOP), ("RCS:+14155550123", STOP), (ON_WHATSAPP, None)]
    {
        assert_eq!(asked_by(Origin::Webhook, from, &end).preference(), wish, "{from}");
    }
}

#[test]
fn a_listed_message_decides_where_it_can_be_no_tap() {
    let listed = |from: &str, body| asked_by(Origin::MessageList, from, &[("Body", body)]);
    for body in ["STOP", "unsubscribe", "Dar de baja"] {
        assert_eq!(listed(ON_WHATSAPP, body).preference(), STOP, "{body}");
        assert_eq!(listed("+14155550123", body).preference(), STOP, "{body}");
    }
    for body in ["Cancel", "PARAR", "arrêt"] {
        assert!(matches!(listed(ON_WHATSAPP, body), Intent::PossibleOptOut(_)), "{body}");
        assert_eq!(listed("+14155550123", body).preference(), STOP, "{body}");
    }
    assert_eq!(listed(ON_WHATSAPP, "Start"), Intent::Other);
    assert_eq!(listed("+14155550123", "Start").preference(), START);
}

#[test]
fn metas_button_is_an_opt_out_of_marketing_alone() {
    let of_marketing = |intent: Intent, case: &str| {
        let Intent::SetPreference(request) = intent else { panic!("{case}: {intent:?}") };
        assert_eq!((request.preference, request.scope), (Preference::OptedOut, RequestedScope::Marketing), "{case}");
    };
    for label in [
        "Stop promotions",
        "Detener promociones",
        "Parar promoções",
        "Arrêter les promotions",
        "Werbung stoppen",
        "Interrompi promozioni",
        "Promoties stoppen",
        "Hentikan promosi",
        "प्रमोशन बंद करें",
        "إيقاف عمليات الترويج",
        "إيقاف العروض الترويجية",
    ] {
        of_marketing(tapped(label, label), label);
        of_marketing(asked(&[("MessageType", "button"), ("Body", label), ("ButtonText", label)]), label);
        of_marketing(asked(&[("Body", label)]), label);
        of_marketing(asked_by(Origin::MessageList, ON_WHATSAPP, &[("Body", label)]), label);
    }
    of_marketing(tapped("No more offers", "STOP_PROMOTIONS"), "an id that says so, whatever the label is");
}

#[test]
fn twilios_own_judgement_is_about_every_message() {
    let Intent::SetPreference(request) = asked(&[("Body", "Stop promotions"), ("OptOutType", "STOP")]) else {
        panic!("a STOP")
    };
    assert_eq!(request.scope, RequestedScope::All);
}
