//! Classes of vulnerabilities that other products of this kind had, each with a test of ours. The number is the row of
//! the table that they are kept in.

mod class_01_routes;
mod class_02_twins;
mod class_05_secrets;
mod class_09_browsers;
mod class_10_headers;
mod class_12_paths;
mod class_14_floods;
mod class_15_lowest_role;
mod class_16_streams;
