//! The one rule for `Debug` in this crate: it shows identifiers and never what a person wrote or who they are.

/// Implements `Debug` that shows these fields, in the form of `Name { field: .., .. }`.
macro_rules! redacted_debug {
    ($($name:ident { $($field:ident),* })*) => {
        $(
            impl std::fmt::Debug for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.debug_struct(stringify!($name))$(.field(stringify!($field), &self.$field))*.finish_non_exhaustive()
                }
            }
        )*
    };
}

pub(crate) use redacted_debug;
