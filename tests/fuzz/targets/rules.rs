//! Rules files.
//!
//! Rules that are taken are the same again when read from what they are written as; those that are refused say where.

#![no_main]

use beaconfire::model::{Index, Path};
use beaconfire::rules::Rules;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| match Rules::parse_bytes(data) {
    Ok(rules) => {
        let strict = Rules::parse(&rules.strict_text()).expect("strict text is rules");
        assert_eq!(indexes(&strict), indexes(&rules));
        assert_eq!(strict.is_open(), rules.is_open());
        for rule in rules.index_rules() {
            assert!(matches!(rule.index, Index::Value | Index::Child(_)), "{rule:?}");
        }
        let place = Path::parse("/rooms/r1").expect("a path");
        assert_eq!(strict.is_indexed(&place, &Index::Value), rules.is_indexed(&place, &Index::Value));
    }
    Err(error) => {
        assert!(!error.problems.is_empty() && !error.to_string().is_empty());
        assert!(error.problems.iter().all(|problem| problem.line >= 1 && problem.column >= 1));
    }
});

/// The indexes that are asked for, in one order.
fn indexes(rules: &Rules) -> Vec<String> {
    let mut all: Vec<_> = rules.index_rules().iter().map(|rule| format!("{rule:?}")).collect();
    all.sort();
    all
}
