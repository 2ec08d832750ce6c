//! cap-audit.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod audit;
pub mod classify;
pub mod cli;
pub mod error;
pub mod finding;
pub mod flow;
pub mod ledger;
pub mod packet;
pub mod pipeline;
pub mod portmap;
pub mod report;
pub mod run;
pub mod signature;
pub mod source;
pub mod time;
