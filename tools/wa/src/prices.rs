//! Prices by date: what Twilio and Meta charge for a message ([`table`], [`fees`]), and what AWS charges for the units that it
//! uses ([`aws`]). Each number stands once in this repository, in a file beside this module, with its date.

pub mod aws;
mod fees;
mod file;
mod markets;
mod table;

pub use fees::{Fee, MessageFees, MessageKind, PlannedMessage};
pub use file::InvalidPriceFile;
pub use table::{PriceKind, PriceTable};
