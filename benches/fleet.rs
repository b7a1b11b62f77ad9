//! Benchmarks of the fleet. To be written.
fn main() {}
