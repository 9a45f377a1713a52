//! The functions, tables, parameters and variables of the template, as the documents list them, and within the limits of Lambda.

use std::collections::{BTreeMap, BTreeSet};

use super::{file, of_type, value};

/// The variables that a function's environment has, with their values, by the folder of the function.
fn environments() -> BTreeMap<String, Vec<(String, String)>> {
    let functions = of_type("AWS::Serverless::Function");
    let environment = |function: &String| {
        let folder = value(function, "CodeUri").unwrap().trim_matches('/').split('/').next_back().unwrap().to_owned();
        let (_, variables) = function.split_once("Environment:\nVariables:\n").unwrap();
        let variables = variables.split("Policies:\n").next().unwrap();
        let mut found: Vec<(String, String)> = Vec::new();
        for line in variables.lines() {
            match (line.split_once(": "), found.last_mut()) {
                (Some((name, value)), _) if !line.starts_with("- ") => found.push((name.to_owned(), value.to_owned())),
                (_, Some((_, value))) => value.extend(["\n", line]),
                (_, None) => panic!("{folder}: {line}"),
            }
        }
        (folder, found)
    };
    functions.values().map(environment).collect()
}

/// The cells of the table of a document that begins with this heading, without their backticks.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let document = file(document);
    let (_, table) = document.split_once(heading).unwrap_or_else(|| panic!("no table {heading}"));
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    rows.map(cells).collect()
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The texts in backticks.
fn in_code(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn documented_functions_and_tables_are_those_of_the_template() {
    let (functions, tables) = (environments(), of_type("AWS::DynamoDB::Table"));
    let [readme, architecture] = ["README.md", "docs/architecture.md"].map(file);
    for function in functions.keys() {
        assert!(readme.contains(&format!("[{function}](functions/{function}/src/lib.rs)")), "README.md: {function}");
    }
    let numbers = format!("{} AWS Lambda functions over {} DynamoDB tables", functions.len(), tables.len());
    assert!(architecture.contains(&numbers), "docs/architecture.md: {numbers}");
    let (_, invoked) = architecture.split_once("| invoked by | functions |").unwrap();
    let invoked = in_code(invoked.split("\n\n").next().unwrap());
    assert_eq!(invoked, functions.into_keys().collect());
    let (_, section) = architecture.split_once("\n## Tables\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let headings: BTreeSet<_> = section.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(headings, tables.keys().map(|name| name.trim_end_matches("Table")).collect());
}

#[test]
fn documented_variables_are_those_of_the_template() {
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in table("docs/configuration.md", "| variable | required by | optional for | meaning |") {
        let [variable, required, optional, meaning] = row.as_slice() else { panic!("{row:?}") };
        if !meaning.ends_with("Not a parameter of the template.") {
            documented.insert(variable.clone(), names(required).union(&names(optional)).cloned().collect());
        }
    }
    let mut deployed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (function, variables) in environments() {
        for (variable, _) in variables {
            deployed.entry(variable).or_default().insert(function.clone());
        }
    }
    assert_eq!(documented, deployed);
}

/// The parameters of the template by their names.
fn parameters() -> BTreeMap<String, String> {
    let template = file("template.yaml");
    let (_, parameters) = template.split_once("\nParameters:\n").unwrap();
    let (parameters, _) = parameters.split_once("\nMetadata:\n").unwrap();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in parameters.lines() {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|rest| rest.strip_suffix(':')) {
            Some(id) => id.clone_into(&mut name),
            None => found.entry(name.clone()).or_default().extend([line.trim(), "\n"]),
        }
    }
    found
}

/// A number as the documents write it: 1,209,600.
fn grouped(number: &str) -> String {
    let groups: Vec<_> = number.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[test]
fn documented_parameters_are_those_of_the_template() {
    let parameters = parameters();
    let rows = table("docs/configuration.md", "| parameter | default | allowed values | meaning |");
    let documented: BTreeSet<_> = rows.iter().flat_map(|row| names(&row[0])).collect();
    assert_eq!(documented, parameters.keys().cloned().collect());
    for row in &rows {
        let several = row[0].contains(", ");
        for (place, name) in row[0].split(", ").enumerate() {
            let parameter = &parameters[name];
            let default = match value(parameter, "Default").map(|text| text.trim_matches('"')) {
                None => "required".to_owned(),
                Some("") => "empty".to_owned(),
                Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => grouped(number),
                Some(text) => text.to_owned(),
            };
            // Two parameters of a row have two defaults, or one that is the same.
            let documented = row[1].split(", ").nth(if several { place } else { 0 }).unwrap_or(&row[1]);
            assert!(documented.split(':').next() == Some(&default) || documented == default, "{name}: {documented}");
            for bound in ["MinValue", "MaxValue", "MaxLength"] {
                let Some(number) = value(parameter, bound).filter(|_| name != "EventBusName") else { continue };
                assert!(row[2].contains(&grouped(number)), "{name}: {bound} {number}, documented {}", row[2]);
            }
        }
    }
}

/// The most that the values of a variable may be long, as Lambda measures them, in a stack with a name as long as
/// `whatsapp-production` in the Region with the longest name.
fn longest(of: &str) -> usize {
    let parameters = parameters();
    if let Some(choices) = of.strip_prefix("!If [").and_then(|rest| rest.strip_suffix(']')) {
        // An IAM user or a role signs media links. The user's variables are longer.
        let choices: Vec<_> = choices.split(", ").filter(|_| !choices.starts_with("SignsWithRole")).collect();
        return choices.iter().skip(1).map(|choice| longest(choice)).max().unwrap_or_default();
    }
    if of.starts_with("!If") {
        return of.split("\n- ").skip(2).map(longest).max().unwrap_or_default();
    }
    match of.split_once(' ') {
        Some(("!Ref", "AWS::NoValue")) => 0,
        Some(("!Ref", name)) if parameters.contains_key(name) => match value(&parameters[name], "MaxLength") {
            // Each quotation mark of JSON is escaped: one character in seven of the policy in docs/configuration.md.
            Some(most) => most.parse::<usize>().unwrap() * 8 / 7,
            None => match value(&parameters[name], "Default").unwrap_or_default().trim_matches('"').len() {
                // A SID, or the URL of a domain.
                0 => 40,
                default => default + 8,
            },
        },
        Some(("!Ref", name)) if name.ends_with("Queue") => 88 + name.len(),
        Some(("!Ref", name)) => 34 + name.len(),
        Some(("!GetAtt", _)) => 95,
        Some(("!Sub", _)) => 60,
        _ => of.len(),
    }
}

/// Lambda measures the JSON object of all variables (its error message shows it as "String measured"), and allows 4 KB (AWS
/// Lambda, "Lambda quotas").
#[test]
fn longest_environment_of_a_function_fits_into_lambda() {
    for (function, variables) in environments() {
        let bytes: usize = variables.iter().map(|(name, value)| name.len() + longest(value) + r#""":"","#.len()).sum();
        assert!(bytes <= 4096, "{function}: {bytes} bytes");
    }
}
