use serde_json::json;

use super::*;

fn table() -> PropertyTable {
    let rows = [
        json!({"sid": "SM1", "status": "read", "body": "one,\t\"two\"\nthree", "error_code": null, "num_media": 2}),
        json!({"sid": "SM2", "status": "failed", "body": "\u{1b}[31m", "error_code": 63016}),
    ];
    PropertyTable::new(&["sid", "status", "error_code", "body"], rows).unwrap()
}

fn shown(format: Format, colour: bool, table: &PropertyTable) -> String {
    CommandOutput { format, colour, is_terminal: false, width: None }.rendered(table).unwrap().0
}

#[test]
fn a_table_shows_columns_and_no_control_characters() {
    let expected = "SID  STATUS  ERROR_CODE  BODY\n\
                    SM1  read                one,\u{fffd}\"two\"↵three\n\
                    SM2  failed  63016       \u{fffd}[31m\n";
    assert_eq!(shown(Format::Table, false, &table()), expected);
}

#[test]
fn colour_is_used_only_in_a_table_on_a_terminal() {
    assert!(shown(Format::Table, true, &table()).contains("\u{1b}["));
    for format in [Format::Table, Format::Csv, Format::Tsv, Format::Json] {
        let shown = shown(format, false, &PropertyTable::new(&["sid"], [json!({"sid": "SM1"})]).unwrap());
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
}

#[test]
fn csv_tsv_and_json_keep_every_value() {
    let shown_csv = shown(Format::Csv, false, &table());
    let mut reader = csv::Reader::from_reader(shown_csv.as_bytes());
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    assert_eq!(&records[0][3], "one,\t\"two\"\nthree");
    let expected =
        "sid\tstatus\terror_code\tbody\nSM1\tread\t\tone,\\t\"two\"\\nthree\nSM2\tfailed\t63016\t\u{1b}[31m\n";
    assert_eq!(shown(Format::Tsv, false, &table()), expected);
    let json: Value = serde_json::from_str(&shown(Format::Json, false, &table())).unwrap();
    assert_eq!(json[0]["num_media"], 2);
}

#[test]
fn narrow_terminal_shows_the_first_columns() {
    let columns = |width: Option<usize>, format: Format| {
        let output = CommandOutput { format, colour: false, is_terminal: width.is_some(), width };
        let shown = output.rendered(&table()).unwrap().0.to_lowercase();
        shown.lines().next().unwrap().split([' ', ',']).filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(columns(Some(11), Format::Table), "sid status");
    assert_eq!(columns(Some(10), Format::Table), "sid");
    assert_eq!(columns(Some(1), Format::Table), "sid", "at least one");
    for (width, format) in [(Some(80), Format::Table), (None, Format::Table), (Some(10), Format::Csv)] {
        assert_eq!(columns(width, format), "sid status error_code body");
    }
}

fn messages() -> PropertyTable {
    let row = |code: Option<u32>, body: &str| {
        json!({"sid": "SM00000000000000000000000000000001", "status": "undelivered", "error_code": code,
               "to": "whatsapp:+14155550123", "from": "whatsapp:+14155238886", "date_sent": "2026-11-20T09:00:00Z",
               "direction": "outbound-api", "body": body})
    };
    let columns = ["sid", "status", "error_code", "to", "from", "date_sent", "direction", "body"];
    let text = "Your order 18473 is on its way. It arrives on Friday, between eight and twelve o'clock, at the shop.";
    PropertyTable::new(&columns, [row(None, text), row(None, "Hello")]).unwrap()
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    for (width, expected, expected_hidden) in [
        (80, "SID STATUS TO", "from, date_sent, direction, body"),
        (160, "SID STATUS TO FROM DATE_SENT DIRECTION BODY", ""),
        (300, "SID STATUS ERROR_CODE TO FROM DATE_SENT DIRECTION BODY", ""),
    ] {
        let output = CommandOutput { format: Format::Table, colour: false, is_terminal: true, width: Some(width) };
        let (shown, hidden) = output.rendered(&messages()).unwrap();
        let longest = shown.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest} > {width}:\n{shown}");
        let header: Vec<_> = shown.lines().next().unwrap().split_whitespace().collect();
        assert_eq!((header.join(" ").as_str(), hidden.join(", ").as_str()), (expected, expected_hidden));
        assert!(shown.contains("SM00000000000000000000000000000001"), "an id is never cut: {shown}");
    }
}

#[test]
fn a_sentence_is_shortened_before_a_column_is_left_out() {
    let rows =
        [json!({"id": "order-1", "reason": "given up after 24 hours, because Twilio refused it: 20003", "age": "1d"})];
    let table = PropertyTable::new(&["id", "reason", "age"], rows).unwrap();
    let output = CommandOutput { format: Format::Table, colour: false, is_terminal: true, width: Some(40) };
    let (shown, hidden) = output.rendered(&table).unwrap();
    assert_eq!(shown, "ID       REASON                      AGE\norder-1  given up after 24 hours, …  1d\n");
    assert!(hidden.is_empty());
}

#[test]
fn named_columns_are_all_shown_in_a_narrow_terminal() {
    let properties = Properties { properties: vec!["sid".to_owned(), "dateSent".to_owned(), "body".to_owned()] };
    let picked = messages().pick(&properties).unwrap();
    let output = CommandOutput { format: Format::Table, colour: false, is_terminal: true, width: Some(40) };
    let (shown, hidden) = output.rendered(&picked).unwrap();
    assert!(hidden.is_empty() && shown.contains("at the shop."), "{shown}");
    assert!(properties.include("date_sent") && !properties.include("status"));
}

#[test]
fn a_terminal_gets_no_control_characters_in_any_format() {
    // The second one begins a sequence of commands to a terminal, as ESC [ does.
    let row = json!({"sid": "SM1", "body": "\u{1b}[2J\u{9b}31m\u{7f}"});
    let table = PropertyTable::new(&["sid", "body"], [row]).unwrap();
    for format in [Format::Table, Format::Csv, Format::Tsv, Format::Json] {
        let output = CommandOutput { format, colour: false, is_terminal: true, width: Some(80) };
        let (shown, _) = output.rendered(&table).unwrap();
        assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{shown:?}");
    }
    let (piped, _) =
        CommandOutput { format: Format::Csv, colour: false, is_terminal: false, width: None }.rendered(&table).unwrap();
    assert!(piped.contains("\u{1b}[2J"), "a program gets every value as it is");
}

#[test]
fn a_formula_is_text_in_csv_and_tsv() {
    let rows =
        [json!({"body": "=HYPERLINK(\"https://evil/\")", "to": "+14155550123", "price": "-0.0075", "num_media": -1})];
    let table = PropertyTable::new(&["body", "to", "price", "num_media"], rows).unwrap();
    let shown_csv = shown(Format::Csv, false, &table);
    assert_eq!(shown_csv.lines().nth(1).unwrap(), "\"'=HYPERLINK(\"\"https://evil/\"\")\",+14155550123,-0.0075,-1");
    let tabs = shown(Format::Tsv, false, &table);
    assert_eq!(tabs.lines().nth(1).unwrap(), "'=HYPERLINK(\"https://evil/\")\t+14155550123\t-0.0075\t-1");
    let json: Value = serde_json::from_str(&shown(Format::Json, false, &table)).unwrap();
    assert_eq!(json[0]["body"], "=HYPERLINK(\"https://evil/\")");
}

#[test]
fn properties_select_and_order_the_columns() {
    let picked = |names: &[&str]| {
        table().pick(&Properties { properties: names.iter().map(|name| (*name).to_owned()).collect() })
    };
    let shown_tsv = shown(Format::Tsv, false, &picked(&["errorCode", "sid"]).unwrap());
    assert_eq!(shown_tsv, "error_code\tsid\n\tSM1\n63016\tSM2\n");
    let refused = picked(&["sid", "colour"]).unwrap_err();
    assert_eq!(refused.code(), 2);
    let expected = "--columns: there is no colour, expected some of body, error_code, num_media, sid, status";
    assert_eq!(refused.to_string(), expected);
}
