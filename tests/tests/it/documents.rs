//! The files, headings and source files exist that the documents, error messages and comments refer to. Needs no stack.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use twilio_types::media::{FORMATS, MediaFormat};

/// The checkout's documents, sources and settings, by path.
fn files() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let (mut folders, mut files) = (vec![root], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | "node_modules") {
                // Hidden folders hold build results and installed tools, except GitHub's.
                if !name.starts_with('.') || name == ".github" {
                    folders.push(path);
                }
            } else if ["Makefile", "template.yaml", ".env.example"].contains(&name.as_str())
                || path.extension().is_some_and(|kind| ["md", "rs", "py"].contains(&&*kind.to_string_lossy()))
            {
                files.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "md")
}

/// A document without its fenced blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

fn headings(text: &str) -> Vec<String> {
    let lines = prose(text);
    let headings = lines
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    headings.map(|heading| heading.trim().to_owned()).collect()
}

/// The anchors of a document, as GitHub makes them: lower-case letters, digits, `_` and `-`, a `-` for each space, and a number
/// after a repeated anchor.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let anchor = |heading: String| {
        let kept = heading.to_lowercase().replace(' ', "-");
        let kept: String = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect();
        let count = seen.entry(kept.clone()).or_default();
        *count += 1;
        if *count == 1 { kept } else { format!("{kept}-{}", *count - 1) }
    };
    headings(text).into_iter().map(anchor).collect()
}

/// The targets of a document's links and pictures.
fn links(text: &str) -> Vec<String> {
    let targets = prose(text);
    let targets = targets.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).filter(|target| !target.contains("://")).collect()
}

/// The paths of Rust files that a document names in code.
fn source_paths(text: &str) -> Vec<String> {
    let spans = prose(text);
    let spans = spans.split('`').skip(1).step_by(2);
    let is_source = |span: &str| Path::new(span).extension().is_some_and(|kind| kind == "rs");
    let is_path = |span: &&str| span.contains('/') && is_source(span) && !span.contains([' ', '*']);
    spans.filter(is_path).map(str::to_owned).collect()
}

/// The documents that a source names, as in `docs/deploy.md, "The secret"`, and the heading where there is one.
fn references(text: &str) -> Vec<(String, Option<String>)> {
    let joined: String = text.split("\\\n").map(str::trim_start).collect();
    let plain = joined.replace("\\\"", "\"");
    let read = |rest: &str| {
        let (name, after) = rest.split_once(".md")?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/'));
        let heading = after.strip_prefix(", \"").and_then(|quoted| quoted.split_once('"'));
        is_name.then(|| (format!("docs/{name}.md"), heading.map(|(heading, _)| heading.to_owned())))
    };
    plain.split("docs/").skip(1).filter_map(read).collect()
}

#[test]
fn document_links_lead_to_existing_files_and_headings() {
    let files = files();
    let mut broken = Vec::new();
    for (document, text) in files.iter().filter(|(path, _)| is_document(path)) {
        for link in links(text) {
            let (file, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let target = if file.is_empty() { document.clone() } else { document.parent().unwrap().join(file) };
            let found = target.canonicalize().is_ok_and(|target| match (anchor, files.get(&target)) {
                (None, _) => true,
                (Some(anchor), Some(text)) => anchors(text).iter().any(|known| known == anchor),
                (Some(_), None) => false,
            });
            if !found {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links without a target:\n{}", broken.join("\n"));
}

/// A document that begins with a list of its sections lists each of them.
#[test]
fn contents_of_documents_list_every_section() {
    let mut missing = Vec::new();
    for (document, text) in files().iter().filter(|(path, _)| is_document(path)) {
        let prose = prose(text);
        let (introduction, _) = prose.split_once("\n## ").unwrap_or((&prose, ""));
        let sections = prose.lines().filter_map(|line| line.strip_prefix("## "));
        if introduction.contains("\n- [") {
            let unlisted = sections.filter(|section| !introduction.contains(&format!("[{section}](#")));
            missing.extend(unlisted.map(|section| format!("{}: {section}", document.display())));
        }
    }
    assert!(missing.is_empty(), "sections that the contents of their document lack:\n{}", missing.join("\n"));
}

#[test]
fn source_files_named_in_documents_exist() {
    let files = files();
    let root = files.keys().find(|path| path.ends_with("template.yaml")).and_then(|path| path.parent()).unwrap();
    let documents = files.iter().filter(|(path, _)| is_document(path) && !path.ends_with("CHANGELOG.md"));
    let named = documents.flat_map(|(document, text)| source_paths(text).into_iter().map(move |path| (document, path)));
    // A crate's README names its own files, as its readers on a registry see them.
    let exists = |document: &Path, path: &str| root.join(path).exists() || document.with_file_name(path).exists();
    let missing = named.filter(|(document, path)| !exists(document, path));
    let missing: Vec<_> = missing.map(|(document, path)| format!("{}: {path}", document.display())).collect();
    assert!(missing.is_empty(), "source files that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn documents_named_in_sources_have_the_heading() {
    let files = files();
    let mut wrong = Vec::new();
    for (source, text) in files.iter().filter(|(path, _)| !is_document(path)) {
        for (document, heading) in references(text) {
            let found = files.iter().find(|(path, _)| path.ends_with(&document));
            let has = |text: &String| heading.as_ref().is_none_or(|heading| headings(text).contains(heading));
            if !found.is_some_and(|(_, text)| has(text)) {
                wrong.push(format!("{}: {document}, {}", source.display(), heading.unwrap_or_default()));
            }
        }
    }
    assert!(wrong.is_empty(), "documents or headings that do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn documented_media_types_are_those_that_are_accepted() {
    let files = files();
    let (_, api) = files.iter().find(|(path, _)| path.ends_with("docs/api.md")).unwrap();
    let (_, table) = api.split_once("| type | also written | codecs | at most |\n|---|---|---|---|\n").unwrap();
    let documented: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let list = |names: &[&str]| match names {
        [] => " ".to_owned(),
        names => format!(" `{}` ", names.join("`, `")),
    };
    let size = |bytes: u64| match bytes / 1024 {
        kilobytes if kilobytes % 1024 == 0 => format!("{} MiB", kilobytes / 1024),
        kilobytes => format!("{kilobytes} KiB"),
    };
    let row = |format: &MediaFormat| {
        let (aliases, codecs) = (list(format.aliases), list(format.codecs));
        format!("| `{}` |{aliases}|{codecs}| {} |", format.name, size(format.max_bytes))
    };
    assert_eq!(documented, FORMATS.iter().map(row).collect::<Vec<_>>());
}

#[test]
fn documented_connection_overrides_are_those_of_the_callbacks() {
    let files = files();
    let (_, deploy) = files.iter().find(|(path, _)| path.ends_with("docs/deploy.md")).unwrap();
    assert!(deploy.contains(&format!("`/twilio/inbound{}`", domain::callback_url::CONNECTION_OVERRIDES)));
}
