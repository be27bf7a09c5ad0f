//! Altered packs by the thousand: none is read, none panics. `TAILOR_MUTANTS=100000` tries more of the
//! random ones.

use crate::mutants::*;
use crate::support::{self, *};
use std::path::Path;
use tailor_packs::*;

/// How many random mutants.
fn count() -> u64 {
    std::env::var("TAILOR_MUTANTS").map_or(5_000, |n| n.parse().unwrap())
}

/// A tailor pack and the learngene of the gallery that ships.
fn shipped() -> [Vec<u8>; 2] {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/galleries/letters"));
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let index = Index::parse(&read("index.json")).unwrap();
    [read(&index.classes[0].file.path), read(&index.learngene.path)]
}

#[test]
fn every_change_of_a_small_pack_is_refused() {
    for pack in [tailor(), learngene(), grown_tailor()] {
        let tally = every_change_of_a_pack(&pack, 1);
        println!("{tally:?}");
        // The rest are integers that were what they are already.
        assert!(
            tally.refused > 10 * pack.len() as u64 && tally.refused * 100 > tally.tried * 98,
            "{tally:?}"
        );
    }
}

#[test]
fn changes_of_a_pack_that_ships_are_refused() {
    let [tailor, learngene] = shipped();
    println!("{:?}", every_change_of_a_pack(&tailor, 211));
    println!("{:?}", random_packs(&tailor, 1, count() / 5));
    println!("{:?}", random_packs(&learngene, 2, count() / 100));
}

#[test]
fn random_mutants_are_refused_or_in_their_one_spelling() {
    println!("{:?}", random_packs(&support::tailor(), 3, count()));
    println!("{:?}", random_packs(&support::learngene(), 4, count()));
    let tally = random_insides(5, count());
    println!("{tally:?}");
    // Some are read: a mutator of which everything is refused for its checksum would show nothing.
    assert!(tally.refused > tally.tried / 2 && tally.refused < tally.tried, "{tally:?}");
}

#[test]
fn every_number_at_its_extremes_is_refused_or_makes_sense() {
    let tally = every_extreme_inside();
    println!("{tally:?}");
    assert!(tally.tried > 3_000 && tally.refused < tally.tried);
}
