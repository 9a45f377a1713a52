use proptest::{collection::vec, prelude::*};

use super::*;

type Keys = BTreeSet<(String, String)>;

fn key(number: u16) -> Item {
    Item::from([("id".to_owned(), AttributeValue::S(number.to_string()))])
}

fn settings_of(table: &str) -> KeysAndAttributes {
    KeysAndAttributes::builder().set_keys(Some(Vec::new())).projection_expression(table).build().unwrap()
}

fn named(request: &HashMap<String, KeysAndAttributes>) -> Vec<(String, String)> {
    let text = |key: &Item| key["id"].as_s().unwrap().clone();
    request.iter().flat_map(|(table, wanted)| wanted.keys.iter().map(|key| (table.clone(), text(key)))).collect()
}

fn read_of(tables: &[Vec<u16>]) -> BTreeMap<String, KeysAndAttributes> {
    let wanted = |(table, numbers): (usize, &Vec<u16>)| {
        let table = format!("table{table}");
        let mut wanted = settings_of(&table);
        wanted.keys = numbers.iter().map(|number| key(*number)).collect();
        (table, wanted)
    };
    tables.iter().enumerate().map(wanted).collect()
}

#[test]
fn a_read_of_110_keys_over_three_tables_is_two_requests() {
    let tables = [(0..90).collect(), (0..10).collect(), (0..10).collect()];
    let requests = batch_get_requests(read_of(&tables));
    assert_eq!(requests.iter().map(|request| named(request).len()).collect::<Vec<_>>(), [100, 10]);
    assert!(batch_get_requests(read_of(&[Vec::new()])).is_empty());
}

proptest! {
    #[test]
    fn each_key_is_in_one_request_of_at_most_100_keys(tables in vec(vec(0_u16..250, 0..150), 0..5)) {
        let wanted = read_of(&tables);
        let expected: Keys = wanted
            .iter()
            .flat_map(|(table, wanted)| named(&HashMap::from([(table.clone(), wanted.clone())])))
            .collect();
        let requests = batch_get_requests(wanted);
        let sizes: Vec<_> = requests.iter().map(|request| named(request).len()).collect();
        prop_assert!(sizes.iter().all(|size| (1..=100).contains(size)), "{sizes:?}");
        prop_assert_eq!(requests.len(), expected.len().div_ceil(100), "no more requests than necessary");
        let all: Vec<_> = requests.iter().flat_map(named).collect();
        prop_assert_eq!(all.len(), expected.len(), "each key once");
        prop_assert_eq!(all.into_iter().collect::<Keys>(), expected);
        for (table, wanted) in requests.iter().flatten() {
            prop_assert!(!wanted.keys.is_empty());
            prop_assert_eq!(&wanted.projection_expression, &settings_of(table).projection_expression);
        }
    }
}
