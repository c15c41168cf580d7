//! The lines of `vectors.txt`, for the unit tests here and for those through the real server
//! (`tests/acceptance_access`), which read this file, too.

pub const VECTORS: &str = include_str!("vectors.txt");

/// Those of one letter: id and fields.
pub fn vectors(letter: char) -> Vec<(&'static str, Vec<&'static str>)> {
    let of_letter = |line: &&str| line.starts_with(letter) && line.contains(" ;; ");
    let split = |line: &'static str| {
        let line = line.split("   # ").next().unwrap().trim();
        let mut fields: Vec<_> = line.split(" ;; ").map(str::trim).collect();
        (fields.remove(0), fields)
    };
    VECTORS.lines().filter(of_letter).map(split).collect()
}
