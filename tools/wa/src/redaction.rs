//! One rule for `Debug`: phone numbers, what people wrote, and keys never reach it.
//!
//! The address types of `twilio-types` mask themselves, `SecretString` shows nothing, and everything else that holds such data as
//! plain text either has no `Debug`, or gets one from [`redacted_debug`] that shows the type's name alone.

/// Implements `Debug` for types whose fields it must not show.
macro_rules! redacted_debug {
    ($($name:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )+};
}

pub(crate) use redacted_debug;

#[cfg(test)]
mod tests {
    struct Letter {
        text: &'static str,
    }
    redacted_debug!(Letter);

    #[test]
    fn debug_shows_the_name_of_a_redacted_type_alone() {
        let letter = Letter { text: "secret words" };
        assert_eq!((format!("{letter:?}").as_str(), letter.text), ("Letter { .. }", "secret words"));
    }
}
