//! The measured values, as a Markdown table.

/// The limit of a measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// The measured value must not be greater.
    AtMost(f64),
    /// The measured value must not be less.
    AtLeast(f64),
}

impl Limit {
    fn is_missed(self, measured: f64) -> bool {
        match self {
            Self::AtMost(limit) => measured > limit,
            Self::AtLeast(limit) => measured < limit,
        }
    }

    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(limit) => format!("{limit} {unit}"),
            Self::AtLeast(limit) => format!("at least {limit} {unit}"),
        }
    }
}

/// A table with a row for each value.
#[derive(Debug)]
pub struct ReportTable {
    /// The table so far.
    pub text: String,
    /// The number of values that missed their limit.
    pub missed: usize,
}

impl Default for ReportTable {
    fn default() -> Self {
        Self { text: "| what | measured | limit |\n|---|---|---|\n".to_owned(), missed: 0 }
    }
}

impl ReportTable {
    /// Adds a value with its unit.
    pub fn add(&mut self, what: &str, measured: f64, unit: &str, limit: Option<Limit>) {
        let missed = limit.is_some_and(|limit| limit.is_missed(measured));
        self.row(what, &format!("{measured:.2} {unit}"), limit.map(|limit| limit.text(unit)), missed);
    }

    /// Adds a number that must be exactly as expected.
    pub fn count(&mut self, what: &str, measured: u64, expected: u64) {
        self.row(what, &measured.to_string(), Some(expected.to_string()), measured != expected);
    }

    fn row(&mut self, what: &str, measured: &str, limit: Option<String>, missed: bool) {
        self.missed += usize::from(missed);
        let mark = if missed { " **missed**" } else { "" };
        let row = format!("| {what} | {measured}{mark} | {} |\n", limit.unwrap_or_default());
        self.text.push_str(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_beyond_its_limit_is_marked_and_counted() {
        let mut table = ReportTable::default();
        table.add("size", 6.5, "MB", Some(Limit::AtMost(6.5)));
        table.add("size", 6.6, "MB", Some(Limit::AtMost(6.5)));
        table.add("used", 94.0, "%", Some(Limit::AtLeast(95.0)));
        table.add("median", 94.0, "ms", None);
        table.count("writes", 1, 1);
        table.count("writes", 2, 1);
        let rows: Vec<_> = table.text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| size | 6.50 MB | 6.5 MB |",
                "| size | 6.60 MB **missed** | 6.5 MB |",
                "| used | 94.00 % **missed** | at least 95 % |",
                "| median | 94.00 ms |  |",
                "| writes | 1 | 1 |",
                "| writes | 2 **missed** | 1 |",
            ]
        );
        assert_eq!(table.missed, 3);
    }
}
