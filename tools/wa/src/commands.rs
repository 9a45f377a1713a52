//! The commands, one module for each.

pub mod completions;
pub mod consent;
pub mod contacts;
pub mod dlq;
pub mod doctor;
pub mod events;
pub mod messages;
pub mod notifications;
pub mod pause;
pub mod rotate;
pub mod send;
pub mod sign;
pub mod verify;
