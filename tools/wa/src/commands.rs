//! The commands, one module for each.

pub mod alerts;
pub mod completions;
pub mod consent;
pub mod contacts;
pub mod cost;
pub mod dlq;
pub mod doctor;
pub mod erase;
pub mod events;
pub mod export;
pub mod listen;
pub mod media_key;
pub mod messages;
pub mod notifications;
pub mod otp;
pub mod pause;
pub mod replay;
pub mod restore;
pub mod rotate;
pub mod send;
pub mod sign;
pub mod smoke;
pub mod templates;
pub mod tenants;
pub mod trigger;
pub mod verify;
