//! The lab and the images against the real kernel and the real engine.

#![allow(clippy::unwrap_used)]

mod examples;
mod images;
mod lab;
