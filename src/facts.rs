#![doc = include_str!("facts.md")]
