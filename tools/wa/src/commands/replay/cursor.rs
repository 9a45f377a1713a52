//! How far a replay has come, as text that continues it. It names the run too: the events queue drops what the same run has put on
//! it within five minutes, and accepts it of another run.

use std::{fmt, str::FromStr};

use crate::{error::CommandError, terminal};

/// Where a run goes on: after a line of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    run: String,
    line: usize,
    key: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.run, self.line, self.key)
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected the cursor that a run of `wa replay` printed";
        let mut parts = text.splitn(3, ':');
        let (Some(run), Some(line), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(EXPECTED);
        };
        let is_run = run.len() == RUN_CHARS && run.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let line = line.parse().map_err(|_| EXPECTED)?;
        if !is_run || key.is_empty() {
            return Err(EXPECTED);
        }
        Ok(Self { run: run.to_owned(), line, key: key.to_owned() })
    }
}

/// 32 bits: two runs within five minutes have to differ.
const RUN_CHARS: usize = 8;

impl Cursor {
    /// Leaves the batches that the run has still to read.
    pub(super) fn skip(&self, keys: &mut Vec<String>) -> Result<(), CommandError> {
        let Some(place) = keys.iter().position(|key| *key == self.key) else {
            return Err(CommandError::not_found(
                "the batch of this cursor is not in the archive, or not within --since and --until",
            ));
        };
        keys.drain(..place);
        Ok(())
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }
}

/// The name of a new run.
pub(super) fn new_run() -> String {
    let mut run = uuid::Uuid::new_v4().simple().to_string();
    run.truncate(RUN_CHARS);
    run
}

/// How far a run has come. If the run does not come to its end, by an error or Ctrl-C, it is printed when this value goes away.
pub(super) struct Position {
    run: String,
    reached: Option<Cursor>,
    is_finished: bool,
}

impl Position {
    pub(super) fn start(run: &str, from: Option<&Cursor>) -> Self {
        Self { run: run.to_owned(), reached: from.cloned(), is_finished: false }
    }

    /// How many lines of a batch the run has done.
    pub(super) fn lines_done(&self, key: &str) -> usize {
        self.reached.as_ref().filter(|reached| reached.key == key).map_or(0, |reached| reached.line)
    }

    pub(super) fn move_to(&mut self, key: &str, line: usize) {
        self.reached = Some(Cursor { run: self.run.clone(), line, key: key.to_owned() });
    }

    pub(super) fn finish(&mut self) {
        self.is_finished = true;
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        if let (false, Some(reached)) = (self.is_finished, &self.reached) {
            terminal::note(&format!("to continue, run it again with --from-cursor {reached}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "events/year=2026/month=11/day=20/1790000000-Messages-111-222.jsonl";

    #[test]
    fn cursor_is_read_back_from_its_text() {
        let cursor = Cursor { run: new_run(), line: 12, key: KEY.to_owned() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "12", "abcdefgh:12", "abc:12:key", "abcdefgh:x:key", "abcdefgh:1:"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    #[test]
    fn run_goes_on_behind_the_line_of_its_cursor() {
        let cursor = Cursor { run: new_run(), line: 2, key: "b".to_owned() };
        let mut keys = ["a", "b", "c"].map(str::to_owned).to_vec();
        cursor.skip(&mut keys).unwrap();
        assert_eq!(keys, ["b", "c"]);
        let mut position = Position::start(cursor.run(), Some(&cursor));
        assert_eq!((position.lines_done("b"), position.lines_done("c")), (2, 0));
        position.finish();
        assert_eq!(cursor.skip(&mut vec!["a".to_owned()]).unwrap_err().code(), 3);
    }
}
